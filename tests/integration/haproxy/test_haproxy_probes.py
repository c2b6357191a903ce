# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client can make of the balancer, sent to a real haproxy."""

from __future__ import annotations

import contextlib
import re
import ssl
import time

import pytest
from ansible_collections.webcallserver.balancer.tests.integration.haproxy.balancer import HANDSHAKE, Connection, balanced, frame

HOST, UPGRADE, CONNECTION, WS_KEY, VERSION = HANDSHAKE
FORGED = ("X-Client-IP: 6.6.6.6:1", "X-Client-IP: 6.6.6.7:1", "X-Forwarded-For: 6.6.6.8")


@pytest.fixture(scope="module")
def everything(install, tmp_path_factory):
    with balanced(install, tmp_path_factory.mktemp("probes"), "wcs1", "wcs2", haproxy_lb_stickiness="cookie") as running:
        yield running


@pytest.fixture
def ask(balancer):
    """Send one request and return its status, the answer's head and its body."""

    def ask(*headers, method="GET", path="/", version="1.1", **options):
        with balancer.connect(**options) as client:
            status, answer = client.ask(*headers, method=method, path=path, version=version)
            length = next((int(line.split()[1]) for line in answer if line.lower().startswith("content-length:")), 0)
            return status, answer, client.stream.read(length).decode("latin-1")

    return ask


def got(nodes):
    """The request that reached a node last."""
    return max((node.requests for node in nodes), key=len)[-1]


@pytest.fixture(autouse=True)
def forget(nodes, web):
    for end in (web, *nodes):
        end.requests.clear()


WEBSOCKETS = {
    "as Chromium sends it": HANDSHAKE,
    "as Firefox sends it": (HOST, UPGRADE, "Connection: keep-alive, Upgrade", WS_KEY, VERSION),
    "in other letters": (HOST, "upgrade: WebSocket", "connection: upgrade", WS_KEY, VERSION),
}


@pytest.mark.parametrize("headers", WEBSOCKETS.values(), ids=WEBSOCKETS)
def test_a_websocket_reaches_a_node(balancer, headers):
    assert balancer.visit(*headers) in ("wcs1", "wcs2")


def test_data_goes_both_ways(balancer):
    with balancer.connect() as client:
        assert client.ask(*HANDSHAKE)[0] == 101
        client.stream.readline()
        for number in range(100):
            client.socket.sendall(b"%d\n" % number)
            assert client.stream.readline() == b"%d\n" % number


HALVES = {
    "without Connection": (HOST, UPGRADE, WS_KEY, VERSION),
    "without key": (HOST, UPGRADE, CONNECTION, VERSION),
    "without version": (HOST, UPGRADE, CONNECTION, WS_KEY),
    "key too short": (HOST, UPGRADE, CONNECTION, "Sec-WebSocket-Key: dGhlIHNhbXBsZQ==", VERSION),
    "other version": (HOST, UPGRADE, CONNECTION, WS_KEY, "Sec-WebSocket-Version: 8"),
    "Upgrade alone": (HOST, UPGRADE),
}


# From 3.2 on, haproxy drops an Upgrade that no Connection names, and it is a page that is asked for
UNNAMED = {"without Connection", "Upgrade alone"}


@pytest.mark.parametrize("case", HALVES)
def test_half_a_websocket_is_refused(ask, nodes, installed, case):
    dropped = case in UNNAMED and tuple(map(int, re.findall(r"\d+", installed)[:2])) >= (3, 2)
    assert ask(*HALVES[case])[0] == (200 if dropped else 400)
    assert not any(node.requests for node in nodes)


def test_a_websocket_by_another_method_is_refused(ask, nodes):
    assert ask(*HANDSHAKE, "Content-Length: 0", method="POST")[0] == 400
    assert not any(node.requests for node in nodes)


PAGES = {
    "plain": ("GET", ()),
    "key alone": ("GET", (WS_KEY,)),
    "POST with a key": ("POST", (WS_KEY, "Content-Length: 0")),
    "h2c": ("GET", ("Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA")),
}


@pytest.mark.parametrize(("method", "headers"), PAGES.values(), ids=PAGES)
def test_everything_else_reaches_the_web_server(ask, nodes, method, headers):
    status, _answer, body = ask(HOST, *headers, method=method, path="/wcs/page.html")
    assert status == 200
    assert body.splitlines()[0] == f"{method} /wcs/page.html HTTP/1.1"
    assert "upgrade:" not in body.lower()
    assert not any(node.requests for node in nodes)


@pytest.mark.parametrize(("host", "form"), [("127.0.0.1", "127.0.0.1:{}"), ("::1", "[::1]:{}")])
def test_the_node_learns_the_client_s_own_address(balancer, nodes, host, form):
    with balancer.connect(host=host) as client:
        assert client.ask(*HANDSHAKE, *FORGED)[0] == 101
        client.stream.readline()
        headers = [line.partition(": ")[::2] for line in got(nodes)[1:]]
        values = {name.lower(): value for name, value in headers}
        assert len(headers) == len(values)
        assert values["x-client-ip"] == form.format(client.local[1])
        assert values["x-forwarded-for"] == host


def test_the_web_server_learns_it_too(ask):
    _status, _answer, body = ask(HOST, *FORGED)
    assert "6.6.6" not in body
    assert "x-forwarded-for: 127.0.0.1" in body.lower()


def test_a_client_may_not_say_where_it_comes_from_by_proxy_protocol(balancer):
    with pytest.raises(OSError):
        balancer.connect(before=b"PROXY TCP4 6.6.6.6 127.0.0.1 1 443\r\n")


def test_http_2_is_not_spoken(balancer, nodes, web):
    with balancer.connect(alpn=["h2", "http/1.1"]) as client:
        assert client.socket.selected_alpn_protocol() == "http/1.1"
    with balancer.connect() as client:
        # Begun without having been offered: settings, then GET https://wcs.example.com/
        name = b"wcs.example.com"
        request = b"\x82\x87\x84\x41" + bytes([len(name)]) + name
        client.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0) + frame(1, 5, 1, request))
        client.socket.settimeout(1)
        with contextlib.suppress(OSError):
            while client.socket.recv(4096):
                pass
    assert not any(end.requests for end in (web, *nodes))


def test_two_requests_in_one_are_not_smuggled(balancer):
    with balancer.connect() as client:
        client.socket.sendall(
            f"POST / HTTP/1.1\r\n{HOST}\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\nConnection: close\r\n\r\n"
            "0\r\n\r\nGET /second HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        )
        assert client.stream.read().count(b"HTTP/1.1 200") <= 1


def test_the_cookie_is_for_tls_alone_and_not_for_scripts(balancer):
    with balancer.connect() as client:
        _status, answer = client.ask(*HANDSHAKE)
        node = client.stream.readline().decode().strip()
    assert f"set-cookie: SERVERID={node}; path=/; HttpOnly; Secure; SameSite=None".lower() in [line.lower() for line in answer]


def test_the_cookie_brings_the_client_back(balancer):
    for name in ("wcs1", "wcs2"):
        assert {balancer.visit(*HANDSHAKE, f"Cookie: SERVERID={name}") for dummy in range(10)} == {name}


def test_without_a_cookie_the_nodes_take_turns(balancer):
    visits = [balancer.visit() for dummy in range(20)]
    assert (visits.count("wcs1"), visits.count("wcs2")) == (10, 10)


def test_plain_http_is_redirected(balancer):
    with Connection(balancer.redirect_port, tls=False) as client:
        status, answer = client.ask(HOST, path="/wcs/?a=b")
    assert status == 301
    assert f"location: https://wcs.example.com:{balancer.port}/wcs/?a=b" in [line.lower() for line in answer]


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_tls_of_today(balancer, version):
    number = ssl.TLSVersion[version]
    assert balancer.visit(minimum_version=number, maximum_version=number) in ("wcs1", "wcs2")


def test_tls_of_yesterday_is_refused(balancer):
    with pytest.warns(DeprecationWarning), pytest.raises(ssl.SSLError):
        balancer.connect(minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)


def test_half_a_request_is_cut(balancer):
    with balancer.connect() as client:
        start = time.monotonic()
        client.socket.sendall(b"GET / HTTP/1.1\r\nHost: wcs.example.com\r\n")
        assert client.stream.readline().split()[1] == b"408"
        assert 4 < time.monotonic() - start < 6
