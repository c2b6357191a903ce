# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who a client is, to the nodes, to the limits and to the nodes' memory of it, and where plain HTTP leads: on a real haproxy."""

from __future__ import annotations

import contextlib
import re

import pytest
from ansible_collections.webcallserver.balancer.tests.integration.haproxy.balancer import HANDSHAKE, Connection, balanced
from ansible_collections.webcallserver.balancer.tests.support.ports import free_port

HOST = HANDSHAKE[0]


@pytest.fixture(scope="module")
def forwarding(install, tmp_path_factory):
    directory = tmp_path_factory.mktemp("forwarding")
    with balanced(install, directory, "wcs1", haproxy_lb_proxies=["127.0.0.1"], haproxy_lb_proxies_protocol="x_forwarded_for") as running:
        yield running


def header(request, name):
    values = [line.partition(": ")[2] for line in request if line.lower().startswith(name + ":")]
    assert len(values) == 1, request
    return values[0]


# Header of the proxy, and the client that the nodes are told of
FORWARDED = {
    "203.0.113.7": "203.0.113.7:0",
    "6.6.6.6, 203.0.113.7": "203.0.113.7:0",
    "203.0.113.7:50000": "203.0.113.7:0",
    "2001:db8::7": "[2001:db8::7]:0",
    "[2001:db8::7]": "[2001:db8::7]:0",
    "[2001:db8::7]:50000": "[2001:db8::7]:0",
    "::ffff:203.0.113.7": "203.0.113.7:0",
    "203.0.113.7,": None,
    "": None,
    "unknown": None,
    "203.0.113": None,
    "203.0.113.700": None,
    "16909060": None,
    "203.0.113.7 x": None,
    "203.0.113.0/24": None,
    '"203.0.113.7"': None,
    "fe80::1%eth0": None,
    "[2001:db8::7": None,
    "2001:db8::7]:1": None,
    "localhost": None,
}


@pytest.mark.parametrize(("value", "expected"), FORWARDED.items())
def test_the_last_entry_of_the_proxy_is_the_client(forwarding, value, expected):
    balancer, (node,), _web = forwarding
    with balancer.connect() as client:
        assert client.ask(*HANDSHAKE, f"X-Forwarded-For: {value}")[0] == 101
        client.stream.readline()
        assert header(node.requests[-1], "x-client-ip") == (expected or f"127.0.0.1:{client.local[1]}")


def test_another_client_on_the_same_connection_is_another_one(forwarding):
    balancer, (node,), web = forwarding
    with balancer.connect() as client:
        for address in ("203.0.113.1", "203.0.113.2", "2001:db8::3"):
            _status, answer = client.ask(HOST, f"X-Forwarded-For: {address}")
            client.stream.read(int(header(answer, "content-length")))
            assert header(web.requests[-1], "x-forwarded-for") == address
        _status, answer = client.ask(HOST)
        client.stream.read(int(header(answer, "content-length")))
        assert header(web.requests[-1], "x-forwarded-for") == "127.0.0.1"
        assert client.ask(*HANDSHAKE, "X-Forwarded-For: 203.0.113.4")[0] == 101
        assert header(node.requests[-1], "x-client-ip") == "203.0.113.4:0"


def test_clients_behind_a_proxy_are_limited_and_remembered_by_their_own_address(running):
    balancer, _nodes, _web = running(
        *("wcs1", "wcs2", "wcs3"),
        haproxy_lb_proxies=["127.0.0.1"],
        haproxy_lb_proxies_protocol="x_forwarded_for",
        haproxy_lb_source_rate=5,
        haproxy_lb_stickiness="source",
        haproxy_lb_balance="source",
    )
    for number in range(1, 20):
        taken = [balancer.visit(*HANDSHAKE, f"X-Forwarded-For: 203.0.113.{number}") for _turn in range(6)]
        assert len(set(taken[:5])) == 1 and taken[5] == 429
    assert len({balancer.visit(*HANDSHAKE, f"X-Forwarded-For: 198.51.100.{number}") for number in range(30)}) == 3


DISGUISED = [
    ("X_Client_IP: 6.6.6.6:1",),
    ("X-Client_IP: 6.6.6.6:1", "x_client-ip: 6.6.6.6:1"),
    ("X_Forwarded_For: 6.6.6.6", "X-Forwarded_For: 6.6.6.6", "x_forwarded_proto: http"),
    ("Connection: Upgrade, X-Client-IP",),
    ("Connection: Upgrade, X-Client-IP, X-Forwarded-For, Sec-WebSocket-Key",),
    ("Connection: x-client-ip", "Connection: Upgrade"),
]


@pytest.mark.parametrize("headers", DISGUISED, ids=[" ".join(headers) for headers in DISGUISED])
def test_no_client_says_or_hides_where_it_comes_from(forwarding, headers):
    balancer, (node,), web = forwarding
    connection = [line for line in headers if line.startswith("Connection")]
    handshake = [line for line in HANDSHAKE if not (connection and line.startswith("Connection"))]
    with balancer.connect(host="::1") as client:
        assert client.ask(*handshake, *headers)[0] == 101
    request = node.requests[-1]
    assert not [line for line in request if "6.6.6.6" in line or re.match(r"(?i)x[_-](client|forwarded)", line) and "_" in line.partition(":")[0]]
    assert header(request, "x-client-ip").startswith("[::1]:")
    assert header(request, "x-forwarded-for") == "::1"
    assert header(request, "connection").lower() == "upgrade"
    with balancer.connect(host="::1") as client:
        assert client.ask(HOST, *(line.replace("Upgrade, ", "") for line in headers if line != "Connection: Upgrade"))[0] == 200
    assert header(web.requests[-1], "x-forwarded-for") == "::1"
    assert "6.6.6.6" not in str(web.requests[-1])
    assert not [line for line in web.requests[-1] if line.lower().startswith("connection:") and "x-" in line.lower()]


def test_one_client_asks_for_so_many_pages(running):
    balancer, _nodes, _web = running("wcs1", haproxy_lb_source_pages=4)
    assert [balancer.visit(HOST) for _turn in range(6)] == [200] * 4 + [429] * 2
    assert balancer.visit() == "wcs1"
    assert balancer.visit(HOST, host="::1") == 200


@pytest.mark.parametrize("stickiness", ["source", "header:X-User"])
def test_a_refused_handshake_leaves_nothing_behind(running, stickiness):
    balancer, nodes, _web = running("wcs1", "wcs2", haproxy_lb_stickiness=stickiness, haproxy_lb_source_rate=50)

    def kept():
        return [line for line in balancer.command("show table wcs_back").splitlines() if "server_id" in line]

    for number in range(10):
        assert balancer.visit("Host: a", "Upgrade: websocket", "Connection: Upgrade", f"X-User: {number}") == 400
    for node in nodes:
        balancer.command(f"set server wcs_back/{node.name} state maint")
    assert balancer.visit(*HANDSHAKE, "X-User: 1") == 503
    assert kept() == []
    for node in nodes:
        balancer.command(f"set server wcs_back/{node.name} state ready")
    assert balancer.wait(lambda: balancer.visit(*HANDSHAKE, "X-User: 1") in ("wcs1", "wcs2"))
    assert len(kept()) == 1


def test_a_cookie_that_a_stranger_makes_up_leads_nowhere(running):
    secret = "-----BEGIN PRIVATE KEY-----"
    balancer, _nodes, _web = running("wcs1", "wcs2", haproxy_lb_stickiness="cookie", haproxy_lb_private_key=secret)
    with balancer.connect() as client:
        _status, answer = client.ask(*HANDSHAKE)
        mine = header(answer, "set-cookie").partition(";")[0]
        node = client.stream.readline().decode().strip()
    balancer.command(f"set server wcs_back/{node} state drain")
    # Who was there goes on being served there; who was not gets no further by its name
    assert {balancer.visit(*HANDSHAKE, f"Cookie: {mine}") for _turn in range(5)} == {node}
    for value in (node, node.upper(), "0" * 24, mine[:-1].partition("=")[2]):
        assert node not in {balancer.visit(*HANDSHAKE, f"Cookie: SERVERID={value}") for _turn in range(3)}


def redirected(balancer, *headers, path="/", version="1.1", method="GET"):
    with Connection(balancer.redirect_port, tls=False) as client:
        status, answer = client.ask(*headers, path=path, version=version, method=method)
    return status, next((line.partition(": ")[2] for line in answer if line.lower().startswith("location:")), None)


@pytest.fixture(scope="module")
def redirecting(install, tmp_path_factory):
    pools = [{"name": "view", "servers": ["wcs2"], "hosts": ["view.example.com"]}]
    with balanced(install, tmp_path_factory.mktemp("redirecting"), "wcs1", "wcs2", pools=pools, haproxy_lb_public_port=8443) as running:
        yield running[0]


REDIRECTS = {
    "its name": (["Host: wcs.example.com"], {"path": "/a?b=c"}, "https://wcs.example.com:8443/a?b=c"),
    "name and port": (["Host: wcs.example.com:80"], {}, "https://wcs.example.com:8443/"),
    "name of a pool": (["Host: VIEW.example.com:80"], {}, "https://view.example.com:8443/"),
    "any other": (["Host: evil.test"], {"path": "/x"}, "https://wcs.example.com:8443/x"),
    "nearly": (["Host: view.example.com.evil.test"], {}, "https://wcs.example.com:8443/"),
    "none": ([], {"version": "1.0"}, "https://wcs.example.com:8443/"),
    "IPv6": (["Host: [::1]:80"], {}, "https://wcs.example.com:8443/"),
    "whole address": (["Host: evil.test"], {"path": "http://evil.test/p"}, "https://wcs.example.com:8443/p"),
    "two slashes": (["Host: a"], {"path": "//evil.test/"}, "https://wcs.example.com:8443//evil.test/"),
    "no path": (["Host: a"], {"path": "*", "method": "OPTIONS"}, "https://wcs.example.com:8443/"),
    "line break": (["Host: a"], {"path": "/%0d%0aSet-Cookie:x"}, "https://wcs.example.com:8443/%0d%0aSet-Cookie:x"),
}


@pytest.mark.parametrize(("headers", "request_", "expected"), REDIRECTS.values(), ids=REDIRECTS)
def test_plain_http_leads_to_one_public_address(redirecting, headers, request_, expected):
    assert redirected(redirecting, *headers, **request_) == (301, expected)


def test_a_host_that_is_none_is_not_echoed(redirecting):
    """From 3.0 on, haproxy refuses it by itself."""
    assert redirected(redirecting, "Host: view.example.com@evil.test") in ((400, None), (301, "https://wcs.example.com:8443/"))


def test_plain_http_leads_to_443_where_browsers_use_that(running):
    balancer, _nodes, _web = running("wcs1", haproxy_lb_public_port=443)
    assert redirected(balancer, HOST) == (301, "https://wcs.example.com/")


def test_http_2_is_not_spoken_on_the_plain_port(redirecting):
    with Connection(redirecting.redirect_port, tls=False) as client:
        client.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
        client.socket.settimeout(2)
        answer = b""
        with contextlib.suppress(OSError):
            while part := client.socket.recv(4096):
                answer += part
        # A request on it comes to nothing
        assert b"https://" not in answer


ORIGINS = {
    "https://a.example.com": "wcs1",
    "https://a.b.example.com": "wcs1",
    "HTTPS://A.EXAMPLE.COM": "wcs1",
    "capacitor://localhost": "wcs1",
    "file://": "wcs1",
    "https://example.com": 403,
    "https://a.example.com:8443": 403,
    "http://a.example.com": 403,
    "https://a.example.com.evil.test": 403,
    "https://evil.test/.example.com": 403,
    "https://aexample.com": 403,
    "https://a.examplexcom": 403,
    "capacitor://localhost.evil.test": 403,
    "null": 403,
}


def test_origins_of_apps_and_of_all_names_below_a_domain(running):
    balancer, _nodes, _web = running("wcs1", haproxy_lb_origins=["https://*.example.com", "capacitor://localhost", "file://"])
    assert {origin: balancer.visit(*HANDSHAKE, f"Origin: {origin}") for origin in ORIGINS} == ORIGINS


def test_lines_of_ones_own_are_in_force(running):
    port = free_port()
    balancer, (node,), _web = running(
        "wcs1",
        haproxy_lb_extra_global="tune.bufsize 32768\n",
        haproxy_lb_extra_defaults="option contstats\n",
        haproxy_lb_extra_frontend="# mine\nhttp-request deny deny_status 404 if { path /no }\nhttp-request set-header X-Mine 1 if is_websocket\n",
        haproxy_lb_extra_backend="http-response set-header X-Back 1\n",
        haproxy_lb_extra_sections=f"listen mine\n    bind 127.0.0.1:{port}\n    http-request return status 200\n",
    )
    assert balancer.visit(HOST, path="/no") == 404
    with balancer.connect() as client:
        _status, answer = client.ask(*HANDSHAKE)
    assert header(answer, "x-back") == header(node.requests[-1], "x-mine") == "1"
    with Connection(port, tls=False) as client:
        assert client.ask(HOST)[0] == 200
    assert balancer.reload().returncode == 0
