# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP/2 where it was asked for: pages and WebSockets (RFC 8441), frame by frame, on a real haproxy."""

from __future__ import annotations

import pytest
from ansible_collections.webcallserver.balancer.tests.integration.haproxy.balancer import HANDSHAKE, balanced, frame

DATA, HEADERS, SETTINGS, WINDOW_UPDATE = 0, 1, 4, 8
END_STREAM, END_HEADERS = 1, 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
ENABLE_CONNECT_PROTOCOL = b"\x00\x08\x00\x00\x00\x01"
# The first byte of the answer's headers, from HPACK's table
STATUS = {0x88: 200, 0x8C: 400}

PAGE = {":method": "GET", ":scheme": "https", ":path": "/page", ":authority": "wcs.example.com"}
WEBSOCKET = PAGE | {":method": "CONNECT", ":protocol": "websocket", "sec-websocket-version": "13"}


def packed(headers):
    """Headers without any compression."""
    texts = [(bytes([len(text)]) + text.encode()) for pair in headers.items() for text in pair]
    return b"".join(b"\x00" + name + value for name, value in zip(texts[::2], texts[1::2], strict=True))


class Stream:
    """The one stream of an HTTP/2 connection."""

    def __init__(self, client, headers, flags):
        self.client, self.settings = client, b""
        client.socket.sendall(PREFACE + frame(SETTINGS, 0, 0) + frame(HEADERS, END_HEADERS | flags, 1, packed(headers)))

    def wanted(self, kind):
        """The next frame of a kind on this stream."""
        while True:
            head = self.client.stream.read(9)
            assert len(head) == 9, "haproxy closed the connection"
            payload = self.client.stream.read(int.from_bytes(head[:3], "big"))
            if head[3] == SETTINGS:
                self.settings += payload
            if (head[3], int.from_bytes(head[5:9], "big")) == (kind, 1):
                return payload

    def status(self):
        return STATUS[self.wanted(HEADERS)[0]]


@pytest.fixture(scope="module")
def running(install, tmp_path_factory, value_of):
    if not value_of("__haproxy_lb_release.http2_websockets"):
        pytest.skip("the role refuses HTTP/2 with a release whose WebSockets do not work over it")
    with balanced(install, tmp_path_factory.mktemp("http2"), "wcs1", haproxy_lb_http2=True) as running:
        yield running


@pytest.fixture
def ask(running):
    clients = []

    def ask(headers, flags=0):
        clients.append(running[0].connect(alpn=["h2", "http/1.1"]))
        assert clients[-1].socket.selected_alpn_protocol() == "h2"
        return Stream(clients[-1], headers, flags)

    yield ask
    for client in clients:
        client.__exit__()


def test_a_websocket_reaches_a_node_and_data_goes_both_ways(ask, running):
    _balancer, (node,), _web = running
    stream = ask(WEBSOCKET | {"x-client-ip": "6.6.6.6:1"})
    assert stream.status() == 200
    assert ENABLE_CONNECT_PROTOCOL in stream.settings
    assert stream.wanted(DATA) == b"wcs1\n"
    stream.client.socket.sendall(frame(DATA, 0, 1, b"hello\n"))
    assert stream.wanted(DATA) == b"hello\n"
    headers = [line.lower() for line in node.requests[-1]]
    assert headers[0] == "get /page http/1.1"
    assert [line for line in headers if line.startswith("x-client-ip")] == [f"x-client-ip: 127.0.0.1:{stream.client.local[1]}"]
    assert [line for line in headers if line.startswith(("connection: upgrade", "upgrade: websocket", "sec-websocket-key: "))]


def test_half_a_websocket_is_refused(ask, running):
    running[1][0].requests.clear()
    assert ask({name: value for name, value in WEBSOCKET.items() if name != "sec-websocket-version"}).status() == 400
    assert running[1][0].requests == []


def test_pages_are_served(ask):
    stream = ask(PAGE, END_STREAM)
    assert stream.status() == 200
    assert stream.wanted(DATA).startswith(b"GET /page HTTP/1.1")


def test_http_1_goes_on(running):
    assert running[0].visit(*HANDSHAKE) == "wcs1"
