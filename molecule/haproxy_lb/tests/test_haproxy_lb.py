# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A balancer alone, with a list of servers, on four releases of HAProxy and on the stand-in for the RedHat family."""

from __future__ import annotations

import asyncio
import subprocess
from contextlib import AsyncExitStack

import pytest
from ansible_collections.webcallserver.balancer.tests.support import wcs_client
from ansible_collections.webcallserver.balancer.tests.support.raw_http import UPGRADE, head, request, tls

BALANCERS = ("lb11", "lb12", "lb13", "lb14", "lb-redhat10")


every = pytest.mark.parametrize("balancer", BALANCERS)


def connect(fleet, balancer, path="", **options):
    return wcs_client.connect(f"wss://{fleet.domain}:443{path}", ssl=fleet.context(), address=fleet.address(balancer), **options)


def cookies_of(fleet, balancer):
    """Return the cookies, which nobody can guess, as {name: {value: server}}."""
    pools = {"SERVERID": "wcs_back", "SERVERID_view": "wcs_back_view"}
    return {cookie: {row["cookie"]: name for name, row in fleet.servers(balancer, pool).items()} for cookie, pool in pools.items()}


@every
def test_sessions_are_spread_and_come_back(fleet, balancer):
    known = cookies_of(fleet, balancer)["SERVERID"]
    assert not set(known) & {"first", "second"}

    async def story():
        async with connect(fleet, balancer) as first, connect(fleet, balancer) as second:
            ours = [session.cookies["SERVERID"] for session in (first, second)]
        for value in ours:
            node = known[value]
            async with connect(fleet, balancer, cookies={"SERVERID": value}) as again:
                assert "SERVERID" not in again.cookies
                await again.publish(f"{balancer}-{node}")
                assert fleet.node_of(f"{balancer}-{node}") == {"first": "node1", "second": "node2"}[node]
        return {known[value] for value in ours}

    assert asyncio.run(story()) == {"first", "second"}


def pool_of(fleet, balancer, known, path):
    """Open a WebSocket and return which of the known cookies it brought, and of which server."""
    with tls(fleet, balancer) as connection:
        connection.sendall(request(UPGRADE, path=path).encode())
        cookies = [line.split()[1].rstrip(";").partition("=") for line in head(connection) if line.lower().startswith("set-cookie:")]
    name, _sign, value = cookies[0]
    return f"{name}={known[name][value]}"


def in_the_pool(fleet, balancer, state):
    return fleet.servers(balancer, "wcs_back_view")["third"]["status"] == state


# On all of them at a time: a node that goes and comes back takes its seconds
def test_a_pool_takes_its_paths_and_others_stand_in_for_it(fleet):
    def everywhere(state, seconds):
        fleet.eventually(lambda: all(in_the_pool(fleet, balancer, state) for balancer in BALANCERS), seconds)

    known = {balancer: cookies_of(fleet, balancer) for balancer in BALANCERS}
    for balancer in BALANCERS:
        assert [pool_of(fleet, balancer, known[balancer], path) for path in ("/view", "/view/1")] == ["SERVERID_view=third"] * 2
        assert {pool_of(fleet, balancer, known[balancer], path) for path in ("/", "/viewer") * 2} == {"SERVERID=first", "SERVERID=second"}
    fleet.run("node3", "systemctl stop webcallserver")
    try:
        everywhere("DOWN", 10)
        for balancer in BALANCERS:
            assert {pool_of(fleet, balancer, known[balancer], "/view") for _turn in range(4)} == {"SERVERID=first", "SERVERID=second"}
    finally:
        fleet.run("node3", "systemctl start webcallserver")
    everywhere("UP", 30)

    async def together(balancer):
        async with AsyncExitStack() as stack:
            return [(await stack.enter_async_context(connect(fleet, balancer, "/view"))).cookies for _turn in range(3)]

    # It has room for many from the first second on
    for balancer in BALANCERS:
        [third] = known[balancer]["SERVERID_view"]
        assert asyncio.run(together(balancer)) == [{"SERVERID_view": third}] * 3


@every
def test_the_key_is_roots_alone(fleet, balancer):
    found = fleet.run(balancer, "find /etc/haproxy/certs -printf '%m %u %f\\n' | sort")
    assert found.split("\n") == ["600 root .bundles", "600 root balancer.example.com.pem", "700 root certs"]
    assert fleet.run(balancer, "stat --format '%a %U' /etc/haproxy/ticket-keys") == "600 root"


@every
def test_a_tls_session_outlives_reload_restart_and_a_change_of_keys(fleet, balancer, tmp_path):
    def handshake(version):
        ticket = tmp_path / version
        command = ["openssl", "s_client", "-connect", f"{fleet.address(balancer)}:443", "-servername", fleet.domain, version, "-ign_eof", "-sess_out", ticket]
        text = request({"Connection": "close"})
        done = subprocess.run([*command, *(["-sess_in", ticket] if ticket.exists() else [])], input=text.encode(), capture_output=True, check=True)
        return next(line.split(b",")[0].decode() for line in done.stdout.splitlines() if line.startswith((b"New, ", b"Reused, ")))

    versions = ("-tls1_2", "-tls1_3")
    assert fleet.run(balancer, "systemctl is-active haproxy-tickets.timer") == "active"
    assert [handshake(version) for version in versions] == ["New"] * 2
    for command in ("systemctl reload haproxy", "systemctl restart haproxy", "systemctl start haproxy-tickets.service"):
        fleet.run(balancer, command)
        assert [handshake(version) for version in versions] == ["Reused"] * 2, command
    assert "haproxy has the keys" in fleet.run(balancer, "journalctl --unit haproxy-tickets --output cat --no-pager")


@every
def test_a_reload_keeps_sessions_and_what_the_operator_said(fleet, balancer):
    async def story():
        async with connect(fleet, balancer) as session:
            tell = "import socket as s; c = s.socket(s.AF_UNIX); c.connect('/run/haproxy/admin.sock');"
            tell += " c.send(b'set server wcs_back/first state {}\\n'); c.recv(99)"
            fleet.python(balancer, tell.format("drain"))
            fleet.run(balancer, "systemctl reload haproxy")
            await asyncio.sleep(1)
            assert fleet.servers(balancer)["first"]["status"] == "DRAIN"
            await session.publish(f"{balancer}-kept")
            fleet.python(balancer, tell.format("ready"))

    asyncio.run(story())
