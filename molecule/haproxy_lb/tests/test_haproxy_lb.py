# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A balancer alone, with a list of servers, on three releases of HAProxy."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time

import pytest
import wcs_client

BALANCERS = ("lb11", "lb12", "lb13")
UPGRADE = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version": "13"}

pytestmark = pytest.mark.parametrize("balancer", BALANCERS)


def connect(fleet, balancer, **options):
    return wcs_client.connect(f"wss://{fleet.domain}:443", ssl=fleet.context(), address=fleet.address(balancer), **options)


def talk(fleet, balancer, text, family="ansible_host", context=None):
    """Send raw bytes over TLS and return the first line of the answer."""
    raw = socket.create_connection((fleet.hosts[balancer][family], 443), timeout=10)
    with (context or fleet.context()).wrap_socket(raw, server_hostname=fleet.domain) as connection:
        connection.sendall(text.encode())
        return connection.makefile("rb").readline().decode()


def request(headers, method="GET"):
    return f"{method} / HTTP/1.1\r\nHost: balancer.example.com\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"


def test_sessions_are_spread_and_come_back(fleet, balancer):
    async def story():
        async with connect(fleet, balancer) as first, connect(fleet, balancer) as second:
            ours = {name: session.cookies["SERVERID"] for name, session in {"first": first, "second": second}.items()}
        for node in ours.values():
            async with connect(fleet, balancer, cookies={"SERVERID": node}) as again:
                assert "SERVERID" not in again.cookies
                await again.publish(f"{balancer}-{node}")
                assert fleet.node_of(f"{balancer}-{node}") == {"first": "node1", "second": "node2"}[node]
        return set(ours.values())

    assert asyncio.run(story()) == {"first", "second"}


@pytest.mark.parametrize("family", ["ansible_host", "fleet_ipv6"])
def test_a_websocket_is_let_through_on_both_families(fleet, balancer, family):
    assert " 101 " in talk(fleet, balancer, request(UPGRADE), family)


@pytest.mark.parametrize("missing", ["Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version"])
def test_half_an_upgrade_is_refused(fleet, balancer, missing):
    headers = {name: value for name, value in UPGRADE.items() if name != missing}
    assert " 400 " in talk(fleet, balancer, request(headers))


def test_an_upgrade_by_post_is_refused(fleet, balancer):
    assert " 400 " in talk(fleet, balancer, request({**UPGRADE, "Content-Length": "0"}, "POST"))


def test_a_key_alone_is_no_websocket(fleet, balancer):
    """It goes to the pages, which nobody serves here."""
    assert " 503 " in talk(fleet, balancer, request({"Sec-WebSocket-Key": UPGRADE["Sec-WebSocket-Key"]}))


def test_half_a_header_is_cut_in_five_seconds(fleet, balancer):
    begin = time.monotonic()
    talk(fleet, balancer, "GET / HTTP/1.1\r\nHost: bal")
    assert 4 < time.monotonic() - begin < 6.5


def test_old_tls_is_refused(fleet, balancer):
    context = fleet.context()
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError):
        talk(fleet, balancer, request({}), context=context)


def test_the_key_is_roots_alone(fleet, balancer):
    found = fleet.run(balancer, "find /etc/haproxy/certs -printf '%m %u %f\\n' | sort")
    assert found.split("\n") == ["600 root balancer.example.com.pem", "700 root certs"]


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


def test_what_haproxy_would_reject_never_reaches_it(fleet, balancer):
    before = fleet.run(balancer, "cat /etc/haproxy/haproxy.cfg")
    result = fleet.play("molecule/haproxy_lb/converge.yml", "--limit", balancer, "-e", "haproxy_lb_timeout_tunnel=soon")
    assert result.returncode != 0
    assert fleet.run(balancer, "cat /etc/haproxy/haproxy.cfg") == before
    assert " 101 " in talk(fleet, balancer, request(UPGRADE))
