# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A balancer alone, with a list of servers, on four releases of HAProxy and on the stand-in for the RedHat family."""

from __future__ import annotations

import asyncio
import json
import subprocess
from contextlib import AsyncExitStack

import pytest
import wcs_client
from raw_http import UPGRADE, head, request, status, tls

BALANCERS = ("lb11", "lb12", "lb13", "lb14", "lb-redhat10")


def on(*balancers):
    return pytest.mark.parametrize("balancer", balancers)


every = on(*BALANCERS)


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


def pool_of(fleet, balancer, path):
    """Open a WebSocket and return which cookie it brought, and of which server."""
    with tls(fleet, balancer) as connection:
        connection.sendall(request(UPGRADE, path=path).encode())
        cookies = [line.split()[1].rstrip(";").partition("=") for line in head(connection) if line.lower().startswith("set-cookie:")]
    name, _sign, value = cookies[0]
    return f"{name}={cookies_of(fleet, balancer)[name][value]}"


@every
def test_a_pool_takes_its_paths_and_others_stand_in_for_it(fleet, balancer):
    # The turn of the balancer before may have ended sooner than this one found the node again
    fleet.eventually(lambda: fleet.servers(balancer, "wcs_back_view")["third"]["status"] == "UP", 30)
    assert [pool_of(fleet, balancer, path) for path in ("/view", "/view/1")] == ["SERVERID_view=third"] * 2
    assert {pool_of(fleet, balancer, path) for path in ("/", "/viewer") * 2} == {"SERVERID=first", "SERVERID=second"}
    fleet.run("node3", "systemctl stop webcallserver")
    try:
        fleet.eventually(lambda: fleet.servers(balancer, "wcs_back_view")["third"]["status"] == "DOWN", 10)
        assert {pool_of(fleet, balancer, "/view") for _turn in range(4)} == {"SERVERID=first", "SERVERID=second"}
    finally:
        fleet.run("node3", "systemctl start webcallserver")
    fleet.eventually(lambda: fleet.servers(balancer, "wcs_back_view")["third"]["status"] == "UP", 30)

    async def together():
        async with AsyncExitStack() as stack:
            return [(await stack.enter_async_context(connect(fleet, balancer, "/view"))).cookies for _turn in range(3)]

    # It has room for many from the first second on
    [third] = cookies_of(fleet, balancer)["SERVERID_view"]
    assert asyncio.run(together()) == [{"SERVERID_view": third}] * 3


@every
def test_the_key_is_roots_alone(fleet, balancer):
    found = fleet.run(balancer, "find /etc/haproxy/certs -printf '%m %u %f\\n' | sort")
    assert found.split("\n") == ["600 root .bundles", "600 root balancer.example.com.pem", "700 root certs"]
    assert fleet.run(balancer, "stat --format '%a %U' /etc/haproxy/ticket-keys") == "600 root"


@every
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_a_tls_session_outlives_reload_restart_and_a_change_of_keys(fleet, balancer, version, tmp_path):
    ticket = tmp_path / "ticket"

    def handshake():
        command = ["openssl", "s_client", "-connect", f"{fleet.address(balancer)}:443", "-servername", fleet.domain, version, "-ign_eof", "-sess_out", ticket]
        text = request({"Connection": "close"})
        done = subprocess.run([*command, *(["-sess_in", ticket] if ticket.exists() else [])], input=text.encode(), capture_output=True, check=True)
        return next(line.split(b",")[0].decode() for line in done.stdout.splitlines() if line.startswith((b"New, ", b"Reused, ")))

    assert fleet.run(balancer, "systemctl is-active haproxy-tickets.timer") == "active"
    assert handshake() == "New"
    for command in ("systemctl reload haproxy", "systemctl restart haproxy", "systemctl start haproxy-tickets.service"):
        fleet.run(balancer, command)
        assert handshake() == "Reused", command
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


def apply(fleet, balancer, **variables):
    return fleet.play("molecule/haproxy_lb/converge.yml", "--limit", balancer, "-e", json.dumps(variables))


def files(fleet, balancer):
    """The configuration and what lies beside it."""
    return {name: fleet.run(balancer, f"cat {name}") for name in fleet.run(balancer, "ls /etc/haproxy/haproxy.cfg*").split()}


CONFIG = "/etc/haproxy/haproxy.cfg"


# Each run of the role takes seconds: the oldest, the newest and the other family for what reloads, fewer for what is refused
@on("lb11", "lb14", "lb-redhat10")
def test_a_node_that_left_the_list_keeps_its_sessions(fleet, balancer):
    before = files(fleet, balancer)[CONFIG]
    second = {"name": "second", "address": fleet.address("node2"), "agent_port": 0}
    first = next(value for value, name in cookies_of(fleet, balancer)["SERVERID"].items() if name == "first")

    async def story():
        async with connect(fleet, balancer, cookies={"SERVERID": first}) as session:
            result = await asyncio.to_thread(apply, fleet, balancer, haproxy_lb_servers=[second])
            assert result.returncode == 0, result.stdout
            assert set(fleet.servers(balancer)) == {"second"}
            assert {pool_of(fleet, balancer, "/") for _turn in range(4)} == {"SERVERID=second"}
            await session.publish(f"{balancer}-left")
            assert fleet.node_of(f"{balancer}-left") == "node1"

    asyncio.run(story())
    # The file that is in charge beside itself, and no more
    now = files(fleet, balancer)
    assert now == {CONFIG: now[CONFIG], f"{CONFIG}.last-good": now[CONFIG]}
    result = apply(fleet, balancer)
    assert result.returncode == 0, result.stdout
    assert files(fleet, balancer)[CONFIG] == before
    assert len(files(fleet, balancer)) == 2


def in_service(fleet, balancer, expected):
    """Whether this file is in place, the other one is its copy, and nothing else lies around."""
    return files(fleet, balancer) == {CONFIG: expected, f"{CONFIG}.last-good": expected} and status(fleet, balancer, request(UPGRADE)) == 101


@on("lb12", "lb-redhat10")
def test_a_port_of_somebody_else_is_found_out_and_everything_put_back(fleet, balancer):
    before = files(fleet, balancer)[CONFIG]
    fleet.run(balancer, "systemd-run --unit=somebody --collect python3 -m http.server 8082")
    try:
        result = apply(fleet, balancer, haproxy_lb_redirect_port=8082)
        assert result.returncode != 0
        assert "The last good haproxy.cfg is back in place and in charge." in result.stdout
        assert "haproxy_lb_redirect_port" in result.stdout
    finally:
        fleet.run(balancer, "systemctl stop somebody")
    assert in_service(fleet, balancer, before)


@on("lb13")
def test_what_haproxy_would_reject_never_reaches_it(fleet, balancer):
    before = files(fleet, balancer)[CONFIG]
    result = apply(fleet, balancer, haproxy_lb_timeout_tunnel="1000d")
    assert result.returncode != 0
    assert in_service(fleet, balancer, before)
