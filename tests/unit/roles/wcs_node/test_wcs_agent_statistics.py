# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The statistics page: what is read from it, and how little a bad one can do."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "roles" / "wcs_node" / "files"))
import wcs_agent as agent

PAGE = """-----Connection Stats-----
connections=3 1
connections_hls=0
-----Port Stats-----
ports_media_free=498
ports_media_busy=1
ports_media_quarantine=0
-----Stream Stats-----
streams_webrtc_in=1
streams_webrtc_out=2
streams_websocket_out=7
streams_rtmp_in=4
streams_rtsp_out=8
streams_hls=5
streams_viewers=one/2;two words/x;three/0 3
streams_synchronization=one/-37
streams_play_rate=0.5
-----System Stats-----
system_java_version=17.0.2 (64 bit)
"""

PARSED = {
    "connection": {"connections": 3, "connections_hls": 0},
    "port": {"ports_media_free": 498, "ports_media_busy": 1, "ports_media_quarantine": 0},
    "stream": {
        "streams_webrtc_in": 1,
        "streams_webrtc_out": 2,
        "streams_websocket_out": 7,
        "streams_rtmp_in": 4,
        "streams_rtsp_out": 8,
        "streams_hls": 5,
        "streams_viewers": {"one": 2, "three": 0},
        "streams_synchronization": {"one": -37},
        "streams_play_rate": 0.5,
    },
    "system": {"system_java_version": "17.0.2 (64 bit)"},
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (PAGE, PARSED),
        (PAGE.replace("\n", "\r\n"), PARSED),
        ("", {}),
        ("a=1", {"": {"a": 1}}),
        ("-----\na=1", {"": {"a": 1}}),
        ("-- Native resources --\nnative_resources=12", {"native": {"native_resources": 12}}),
        ("  a = 1  ", {"": {"a": 1}}),
        ("a=1\na=2", {"": {"a": 2}}),
        ("a=", {"": {"a": ""}}),
        ("a=1=2", {"": {"a": "1=2"}}),
        ("a=-5\nb=+5\nc=0x10\nd=1e9\ne=nan\nf=1.25", {"": {"a": -5, "b": "+5", "c": "0x10", "d": "1e9", "e": "nan", "f": 1.25}}),
        ("a=" + "9" * 400, {"": {"a": "9" * 400}}),
        ("a=\u0663", {"": {"a": "\u0663"}}),
        ('{"stream_stats": {"streams_hls": 1}}', {}),
        ('<html><meta charset="utf-8">\n<a href="?x=1">', {}),
        ("=1\n1=1\nbad key=1", {}),
    ],
)
def test_parse_statistics(text, expected):
    assert agent.parse_statistics(text) == expected


@pytest.mark.parametrize(
    ("text", "websocket_viewers", "expected"),
    [
        (PAGE, False, {"publishers": 5, "subscribers": 10, "hls": 5, "media-ports-free": 498, "media-ports": 499}),
        (PAGE, True, {"publishers": 5, "subscribers": 17, "hls": 5, "media-ports-free": 498, "media-ports": 499}),
        ("streams_hls=1", False, {"publishers": None, "subscribers": None, "hls": 1, "media-ports-free": None, "media-ports": None}),
        (
            "streams_rtmfp_in=1\nstreams_rtsp_in=2\nstreams_rtmp_in=-4\nstreams_webrtc_in=many",
            False,
            {"publishers": 3, "subscribers": None, "hls": None, "media-ports-free": None, "media-ports": None},
        ),
    ],
)
def test_count(text, websocket_viewers, expected):
    assert agent.count(agent.parse_statistics(text), websocket_viewers) == expected


@pytest.mark.parametrize("text", ["", "connections=1", "streams_hls=-1", "streams_hls=many", "<html>x=1</html>"])
def test_a_page_without_counters_is_not_zero_load(text):
    with pytest.raises(agent.StatisticsError, match="no stream counters"):
        agent.count(agent.parse_statistics(text))


class Server:
    """A server of one behaviour, which is a function of the accepted connection."""

    def __init__(self, behaviour):
        self.behaviour = behaviour
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.over = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _peer = self.listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                self.behaviour(self, connection)

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.over.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def sends(*parts, pause=0.0, keeps_open=False, reads=True):
    def behaviour(server, connection):
        if reads:
            connection.recv(4096)
        for part in parts:
            connection.sendall(part)
            if server.over.wait(pause):
                return
        if keeps_open:
            server.over.wait(5)

    return behaviour


def drips(server, connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while not server.over.wait(0.01):
        connection.sendall(b"a")


def drips_head(server, connection):
    while not server.over.wait(0.001):
        connection.sendall(b"H")


def floods(server, connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while not server.over.is_set():
        connection.sendall(b"a=1\n" * 4096)


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        (sends(OK + b"\r\na=1\n"), "a=1\n"),
        (sends(OK + b"Content-Length: 4\r\n\r\na=1\n", keeps_open=True), "a=1\n"),
        (sends(OK + b"content-length:4\r\n\r\n", b"a=", b"1\n", pause=0.02, keeps_open=True), "a=1\n"),
        (sends(OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\na=\r\n", b"2;x=y\r\n1\n\r\n0\r\n\r\n", keeps_open=True), "a=1\n"),
        (sends(b"HTTP/1.0 200 Fine\r\n\r\n\xff\xfe=\xe9"), "\ufffd\ufffd=\ufffd"),
        (sends(OK + b"Content-Length: 0\r\n\r\n", keeps_open=True), ""),
    ],
)
def test_fetch(behaviour, expected):
    with Server(behaviour) as server:
        assert agent.fetch("127.0.0.1", server.port, "/", 2) == expected


@pytest.mark.parametrize(
    ("behaviour", "why"),
    [
        (sends(keeps_open=True), "timed out"),
        (sends(OK, keeps_open=True), "timed out"),
        (sends(OK + b"Content-Length: 99\r\n\r\na=1", keeps_open=True), "timed out"),
        (drips, "timed out"),
        (drips_head, "timed out|not HTTP"),
        (floods, "larger than 256 KiB"),
        (sends(b"x" * 9000, keeps_open=True), "not HTTP"),
        (sends(b"SSH-2.0-OpenSSH_9\r\n\r\n"), "not HTTP"),
        (sends(b""), "no answer"),
        (sends(b"HTTP/1.1 500 Oops\r\n\r\na=1"), "HTTP status 500"),
        (sends(b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n"), "HTTP status 302"),
        (sends(OK + b"Content-Length: 99\r\n\r\na=1"), "cut short"),
        (sends(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"), "cut short"),
        (sends(OK + b"Transfer-Encoding: chunked\r\n\r\n99\r\na=1"), "cut short"),
    ],
)
def test_fetch_is_bounded_in_time_and_size(behaviour, why):
    with Server(behaviour) as server:
        started = time.monotonic()
        with pytest.raises(agent.StatisticsError, match=why):
            agent.fetch("127.0.0.1", server.port, "/", 0.3)
        assert time.monotonic() - started < 1.5


def test_fetch_says_that_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(agent.StatisticsError, match="connection refused"):
        agent.fetch("127.0.0.1", port, "/", 1)


def test_fetch_asks_as_a_browser_would():
    asked = []
    with Server(lambda _server, connection: asked.append(connection.recv(4096)) or connection.sendall(OK + b"\r\n")) as server:
        agent.fetch("127.0.0.1", server.port, "/?action=stat", 1)
        assert asked == [f"GET /?action=stat HTTP/1.0\r\nHost: 127.0.0.1:{server.port}\r\nConnection: close\r\n\r\n".encode()]
