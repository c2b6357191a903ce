# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import os
import socket
import ssl

import pytest
from ansible_collections.webcallserver.balancer.plugins.modules.wcs_probe import (
    ProbeError,
    answer,
    entry_points,
    establish,
    hold_until,
    knock,
    lifetime,
    unrelated,
)

PLAIN = ("/", "lb.example.com", 443)
CASES = {
    "no pools": ([], []),
    "a path": ([{"name": "view", "paths": ["/view", "/other"]}], [("/view", "lb.example.com", 443)]),
    "a host and a port": ([{"name": "view", "hosts": ["view.example.com"], "ports": [8443]}], [("/", "view.example.com", 8443)]),
    "a pool that others fall back to": ([{"name": "spare", "group": "spare"}], []),
}


@pytest.mark.parametrize(("pools", "more"), CASES.values(), ids=CASES)
def test_every_pool_has_its_door(pools, more):
    assert entry_points(pools, "lb.example.com", 443) == [PLAIN, *more]


class Node:
    """A WebSocket with what a node says on it."""

    def __init__(self, *messages):
        self.messages, self.sent = list(messages), []

    async def receive_json(self, timeout):
        return self.messages.pop(0)

    async def send_json(self, message):
        self.sent.append(message["message"])

    def get_extra_info(self, name):
        return ("2001:db8::7", 49152, 0, 0) if name == "sockname" else None


def test_a_session_is_established_through_pings():
    node = Node({"message": "ping"}, {"message": "ping"}, {"message": "getUserData", "data": []})
    assert asyncio.run(establish(node)) == {"address": "[2001:db8::7]:49152", "answer": "getUserData"}
    assert node.sent == ["connection", "pong", "pong"]


def test_pings_without_an_end_are_an_answer_of_another_kind():
    assert asyncio.run(establish(Node(*[{"message": "ping"}] * 1000)))["answer"] == "ping"


@pytest.mark.parametrize("message", [None, [], "ping", 7, {}, {"message": None}, {"message": ["x"]}, {"data": []}])
def test_a_message_of_an_odd_kind_is_named(message):
    with pytest.raises(ProbeError, match="has no name"):
        asyncio.run(answer(Node(message)))


@pytest.mark.parametrize(
    ("now", "days", "percent"),
    [("Jan  1 00:00:00 2026 GMT", 90, 100), ("Mar 23 00:00:00 2026 GMT", 9, 10), ("Mar 31 12:00:00 2026 GMT", 0, 0), ("Jan  1 00:00:00 2027 GMT", 0, 0)],
)
def test_what_is_left_of_a_certificate(now, days, percent):
    found = {"notBefore": "Jan  1 00:00:00 2026 GMT", "notAfter": "Apr  1 00:00:00 2026 GMT", "serialNumber": "04"}
    left = lifetime(found, ssl.cert_time_to_seconds(now))
    assert (left["days_left"], left["percent_left"], left["not_after"]) == (days, percent, "2026-04-01")


@pytest.mark.parametrize(("known", "strange"), [([], True), (["127.0.0.0/8"], False), (["127.0.0.1"], False), (["10.0.0.0/8"], True)])
def test_who_is_a_stranger(known, strange):
    assert unrelated("127.0.0.1", 9, known) is strange


def test_a_port_is_open_or_closed_or_known():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        door = {"host": "a", "name": "b", "address": "127.0.0.1", "port": port}
        assert asyncio.run(knock(door))["state"] == "open"
        assert asyncio.run(knock(door | {"known": ["lb.example.com", "127.0.0.1"]}))["state"] == "known"
    assert asyncio.run(knock(door)) == {"host": "a", "name": "b", "port": port, "state": "closed"}


def test_sessions_are_held_until_the_sign_is_gone(tmp_path):
    async def story():
        ready = tmp_path / "open"
        held = asyncio.ensure_future(hold_until(str(ready), 60))
        while not ready.exists():
            await asyncio.sleep(0.01)
        assert not held.done()
        os.remove(ready)
        await asyncio.wait_for(held, 5)

    asyncio.run(story())
