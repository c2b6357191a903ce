# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several stand-ins that form a CDN on loopback addresses of their own."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack

import pytest
from ansible_collections.webcallserver.balancer.tests.support.ports import free_port
from ansible_collections.webcallserver.balancer.tests.support.waiting import until_async
from ansible_collections.webcallserver.balancer.tests.support.wcs_client import connect
from ansible_collections.webcallserver.balancer.tests.wcs_standin.wcs_standin import cdn, statistics
from ansible_collections.webcallserver.balancer.tests.wcs_standin.wcs_standin.cdn import Members
from ansible_collections.webcallserver.balancer.tests.wcs_standin.wcs_standin.server import running
from ansible_collections.webcallserver.balancer.tests.wcs_standin.wcs_standin.settings import Settings

ORIGIN, SECOND, EDGE, FAR_EDGE = "127.0.0.11", "127.0.0.12", "127.0.0.21", "127.0.0.22"


@pytest.fixture(autouse=True)
def quick_and_without_errors(monkeypatch, caplog):
    monkeypatch.setattr(cdn, "ROUND", 0.05)
    yield
    assert [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.ERROR] == []


class Fleet:
    """Stand-ins by their CDN address."""

    def __init__(self, stack):
        self._stack = stack
        self.cdn_port = free_port()
        self.nodes = {}

    async def start(self, cdn_ip, role, entry="", **changed):
        changed = {"cdn_enabled": True, "cdn_ip": cdn_ip, "cdn_role": role, "cdn_point_of_entry": entry, **changed}
        # All nodes bind media on the same addresses here, so each has a range of its own.
        first = 41000 + 100 * len(self.nodes)
        ranges = {"media_port_from": first, "media_port_to": first + 50, "wcs_agent_port_from": first + 50, "wcs_agent_port_to": first + 100}
        settings = Settings(ws_port=free_port(), http_port=free_port(), cdn_port=self.cdn_port, **ranges, **changed)
        stack = await self._stack.enter_async_context(AsyncExitStack())
        self.nodes[cdn_ip] = (await stack.enter_async_context(running(settings)), stack)

    async def stop(self, cdn_ip):
        await self.nodes.pop(cdn_ip)[1].aclose()

    async def know_each_other(self):
        await self.until(lambda: all(set(node.cdn.members.table()) == set(self.nodes) for node, _stack in self.nodes.values()))

    async def until(self, condition):
        await until_async(condition)

    def connect(self, cdn_ip):
        return connect(f"ws://127.0.0.1:{self.nodes[cdn_ip][0].settings.ws_port}")

    def agents_busy(self, cdn_ip):
        return statistics.collect(self.nodes[cdn_ip][0])["port_stats"]["ports_wcs_agents_busy"]

    def viewers(self, cdn_ip):
        return statistics.collect(self.nodes[cdn_ip][0])["streams_stats"]["streams_viewers"]


def run(steps):
    async def both():
        async with AsyncExitStack() as stack:
            return await steps(Fleet(stack))

    return asyncio.run(both())


def test_an_edge_plays_what_an_origin_publishes():
    async def steps(fleet):
        await fleet.start(ORIGIN, "origin")
        await fleet.start(EDGE, "edge", ORIGIN)
        await fleet.start(FAR_EDGE, "edge", ORIGIN)
        await fleet.know_each_other()
        async with fleet.connect(ORIGIN) as publisher, fleet.connect(EDGE) as near, fleet.connect(FAR_EDGE) as far:
            published = await publisher.publish("test")
            played = [await session.play("test") for session in (near, near, far)]
            busy = [fleet.agents_busy(address) for address in (ORIGIN, EDGE, FAR_EDGE)]
            viewers = [fleet.viewers(address) for address in (ORIGIN, EDGE, FAR_EDGE)]
            await published.send_data("hello")
            for stream in played:
                await stream.session.until(lambda stream=stream: stream.events)
            await published.stop()
            for stream in played:
                await stream.until("FAILED")
            return busy, viewers, [stream.info for stream in played], sum(map(fleet.agents_busy, fleet.nodes))

    busy, viewers, reasons, left = run(steps)
    assert busy == [2, 1, 1]
    assert viewers == ["test/0", "test/2", "test/1"]
    assert (set(reasons), left) == ({"Stopped by publisher stop"}, 0)


def test_the_origin_need_not_be_the_point_of_entry():
    async def steps(fleet):
        await fleet.start(ORIGIN, "origin", SECOND)
        await fleet.start(SECOND, "origin", ORIGIN)
        await fleet.start(EDGE, "edge", ORIGIN)
        await fleet.know_each_other()
        async with fleet.connect(SECOND) as publisher, fleet.connect(EDGE) as viewer:
            await publisher.publish("test")
            await (await viewer.play("test")).stop()
            await fleet.stop(ORIGIN)
            return (await viewer.play("test")).status

    assert run(steps) == "PLAYING"


@pytest.mark.parametrize(
    ("publish_on", "play_on", "changed"),
    [
        (ORIGIN, EDGE, {"cdn_enabled": False}),
        (ORIGIN, EDGE, {"cdn_point_of_entry": ""}),
        (ORIGIN, EDGE, {"cdn_point_of_entry": EDGE}),
        (ORIGIN, SECOND, {}),
        (EDGE, ORIGIN, {}),
        (None, EDGE, {}),
    ],
)
def test_without_the_cdn_there_is_no_such_stream(publish_on, play_on, changed):
    async def steps(fleet):
        await fleet.start(ORIGIN, "origin")
        await fleet.start(SECOND, "origin", ORIGIN)
        await fleet.start(EDGE, "edge", ORIGIN, **changed)
        # Where they cannot come to know each other, give them the time in which they would have.
        await (asyncio.sleep(4 * cdn.ROUND) if changed else fleet.know_each_other())
        async with AsyncExitStack() as stack:
            if publish_on:
                await (await stack.enter_async_context(fleet.connect(publish_on))).publish("test")
            viewer = await stack.enter_async_context(fleet.connect(play_on))
            stream = await viewer.start("test", published=False)
            await stream.until("FAILED")
            return stream.info, await viewer.available("test")

    assert run(steps) == ("Stream not found", (False, "Stream not found"))


def test_allow_domains_without_the_own_cdn_ip_keeps_the_cdn_out():
    async def steps(fleet):
        await fleet.start(ORIGIN, "origin", allow_domains=("lb.example.com",))
        await fleet.start(SECOND, "origin", ORIGIN, allow_domains=("lb.example.com", SECOND))
        await fleet.start(EDGE, "edge", ORIGIN)
        await fleet.start(FAR_EDGE, "edge", SECOND)
        members = fleet.nodes[FAR_EDGE][0].cdn.members
        await fleet.until(lambda: members.origins() == [SECOND])
        return fleet.nodes[EDGE][0].cdn.members.origins()

    assert run(steps) == []


def test_asking_and_leaving_lets_go_of_the_stream():
    async def steps(fleet):
        await fleet.start(ORIGIN, "origin")
        await fleet.start(EDGE, "edge", ORIGIN)
        await fleet.know_each_other()
        async with fleet.connect(ORIGIN) as publisher:
            await publisher.publish("test")
            async with fleet.connect(EDGE) as viewer:
                available, _info = await viewer.available("test")
                await fleet.until(lambda: fleet.agents_busy(ORIGIN) == 0)
                await viewer.play("test")
                busy = fleet.agents_busy(ORIGIN)
            await fleet.until(lambda: fleet.agents_busy(ORIGIN) == 0)
            return available, busy

    assert run(steps) == (True, 1)


def test_viewers_at_the_edge_learn_that_the_origin_went():
    async def steps(fleet):
        await fleet.start(ORIGIN, "origin")
        await fleet.start(EDGE, "edge", ORIGIN)
        await fleet.know_each_other()
        async with fleet.connect(EDGE) as viewer:
            async with fleet.connect(ORIGIN) as publisher:
                await publisher.publish("test")
                stream = await viewer.play("test")
                await fleet.stop(ORIGIN)
                await stream.until("FAILED")
            return viewer.closed, fleet.agents_busy(EDGE)

    assert run(steps) == (False, 0)


def test_who_is_no_longer_heard_of_is_forgotten_even_when_others_still_tell_of_it():
    now = 0.0
    members = Members(EDGE, "edge", clock=lambda: now)
    told = {ORIGIN: {"role": "origin", "beat": 1}, EDGE: {"role": "origin", "beat": 1}}
    members.merge(told)
    assert (members.others(), members.origins()) == ([ORIGIN], [ORIGIN])
    now = cdn.FORGET
    members.merge(told)
    assert members.others() == []
    members.merge({ORIGIN: {"role": "origin", "beat": 2}})
    assert members.others() == [ORIGIN]
