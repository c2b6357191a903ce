# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The statistics page: what is read from it, and how little a bad one can do."""

from __future__ import annotations

import gc
import re
import socket
import time

import pytest
from ansible_collections.webcallserver.balancer.roles.wcs_node.files import wcs_agent as agent
from ansible_collections.webcallserver.balancer.tests.support.servers import Server
from ansible_collections.webcallserver.balancer.tests.support.waiting import until

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
streams_hls=5
streams_viewers=one/2;two words/x;three words/0 3
streams_synchronization=one/-37
streams_rtsp_in=0
streams_rtsp_out=8
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
        "streams_hls": 5,
        "streams_viewers": {"one": 2, "three words": 0},
        "streams_synchronization": {"one": -37},
        "streams_rtsp_in": 0,
        "streams_rtsp_out": 8,
        "streams_play_rate": 0.5,
    },
    "system": {"system_java_version": "17.0.2 (64 bit)"},
}
COUNTS = {"publishers": 5, "subscribers": 10, "hls": 5, "media-ports-free": 498, "media-ports": 499}


def page(text):
    return agent.Page(text.encode())


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
        ("a=1\na=2", {"": {"a": 1}}),
        ("a=", {"": {"a": ""}}),
        ("a=1=2", {"": {"a": "1=2"}}),
        ("a=" + "9" * 400, {"": {"a": "9" * 200}}),
        ("a=\u0663", {"": {"a": "\u0663"}}),
        ('{"stream_stats": {"streams_hls": 1}}', {}),
        ('<html><meta charset="utf-8">\n<a href="?x=1">', {}),
        ("=1\n1=1\nbad key=1", {}),
        ("a=1\n" * 100_000, {"": {"a": 1}}),
        ("".join(f"k{n}=1\n" for n in range(9999)), {"": {f"k{n}": 1 for n in range(500)}}),
    ],
)
def test_what_people_are_shown(text, expected):
    assert agent.parse_statistics(text) == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("12", 12),
        ("-5", -5),
        ("0012", 12),
        ("9223372036854775807", 9223372036854775807),
        ("0.5", 0.5),
        ("1.25", 1.25),
        ("7.5E-4", 0.00075),
        ("1.0E10", 1e10),
        ("1E+5", 1e5),
        ("1.7976931348623157E308", 1.7976931348623157e308),
        ("4.9E-324", 5e-324),
        ("-0.0", 0),
        ("0.30000000000000004", 0.30000000000000004),
        # What Java says where it has no number, and what it never says
        ("NaN", None),
        ("Infinity", None),
        ("-Infinity", None),
        ("1.0E999", None),
        ("1,5", None),  # by its locale this is a decimal comma or thousands
        ("1 500", None),
        ("+5", None),
        ("0x10", None),
        ("1e9", None),
        ("nan", None),
        ("inf", None),
        ("1_000", None),
        (".5", None),
        ("5.", None),
        ("9" * 20, None),
        ("\u0663", None),
        ("\u00b2", None),
        ("", None),
        ("many", None),
        ("1\x0b2", None),
        ("1\n", None),
    ],
)
def test_numbers_as_java_prints_them(text, value):
    assert agent.java_number(text) == value
    # The same as a counter of the page: nothing negative counts
    line = text.split(" ")[0].split("\n")[0]
    counted = agent.read_counters(page(f"-----Stream Stats-----\nstreams_hls={line}\n"))
    assert counted == ({} if agent.java_number(line) is None or agent.java_number(line) < 0 else {"streams_hls": agent.java_number(line)})


@pytest.mark.parametrize(
    ("text", "websocket_viewers", "expected"),
    [
        (PAGE, False, COUNTS),
        (PAGE, True, {**COUNTS, "subscribers": 17}),
        ("streams_hls=1", False, {"publishers": None, "subscribers": None, "hls": 1, "media-ports-free": None, "media-ports": None}),
        (
            "streams_rtmfp_in=1\nstreams_rtsp_in=2\nstreams_rtmp_in=-4\nstreams_webrtc_in=many",
            False,
            {"publishers": 3, "subscribers": None, "hls": None, "media-ports-free": None, "media-ports": None},
        ),
    ],
)
def test_count(text, websocket_viewers, expected):
    assert agent.count(agent.read_counters(page(text)), websocket_viewers) == expected


@pytest.mark.parametrize("text", ["", "connections=1", "streams_hls=-1", "streams_hls=many", "<html>x=1</html>", "-----Port Stats-----\nstreams_hls=1"])
def test_a_page_without_counters_is_not_zero_load(text):
    with pytest.raises(agent.StatisticsError, match="no stream counters"):
        agent.count(agent.read_counters(page(text)))


FORGED = (
    "streams_webrtc_in=99999",
    "streams_webrtc_out=99999",
    "streams_hls=99999",
    "ports_media_free=0",
    "streams_rtsp_in=99999",
    "streams_rtmfp_in=99999",
    "band=99999",
)


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029", "\0"])
@pytest.mark.parametrize("forged", FORGED)
@pytest.mark.parametrize("section", ["", "-----Port Stats-----", "-----Stream Stats-----", "-----"])
def test_a_name_is_no_line_of_the_page(end, forged, section):
    """Whatever a client calls its stream, it moves no counter: not in the viewers, not in the synchronization, not in both."""
    name = end.join(("live", section, forged, section, "x"))
    usual = agent.read_counters(page(PAGE + "band=7\n"), ["band"])
    for old, new in (("streams_viewers=", f"streams_viewers={name}/1;"), ("streams_synchronization=", f"streams_synchronization={name}/9;")):
        assert agent.read_counters(page(PAGE.replace(old, new) + "band=7\n"), ["band"]) == usual
    assert usual["band"] == 7


@pytest.mark.parametrize("section", ["Custom", "Port", "System"])
def test_a_counter_of_another_section_is_another_counter(section):
    text = PAGE.replace("-----Stream", f"-----{section} Stats-----\nstreams_webrtc_in=99999\n-----Stream")
    assert agent.count(agent.read_counters(page(text))) == COUNTS


def test_a_page_whose_names_come_first_is_read_too():
    names, rest = "streams_viewers=one/2\n", "streams_webrtc_in=3\nstreams_webrtc_out=4\nstreams_hls=0\n"
    assert agent.count(agent.read_counters(page("-----Stream Stats-----\n" + names + rest)))["publishers"] == 3


@pytest.mark.parametrize("size", [10, 1000, 65_000, 66_000, 130_000, 200_000, 3_000_000])
def test_a_page_that_is_long_through_names_counts_as_before(size):
    text = PAGE.replace("streams_viewers=one", "streams_viewers=" + "a;" * (size // 2) + "one").encode()
    for length in (b"", b"Content-Length: %d\r\n" % len(text)):
        answer = agent.Answer()
        whole = b"HTTP/1.1 200 OK\r\n" + length + b"\r\n" + text
        for start in range(0, len(whole), 30_011):
            answer.feed(whole[start : start + 30_011])
        answer.end()
        assert agent.count(agent.read_counters(answer.page())) == COUNTS
        assert sum(map(len, answer.page()[:2])) <= 2 * agent.KEPT_BYTES + 100_000


@pytest.mark.parametrize(
    "name", ["a" * 90_000 + ";b", "a/" * 45_000, ";" * 90_000, "\n" * 90_000, "-\n" * 45_000, "a=1\n" * 22_500, "streams_rtsp_in=1\n" * 5_000, "- " * 45_000]
)
def test_no_name_costs_more_than_its_length(name):
    text = page(PAGE.replace("streams_viewers=one", "streams_viewers=" + name + "one"))

    # Not what the tests before have left for Python to look through
    gc.collect()
    gc.freeze()
    try:
        started = time.thread_time()
        assert agent.count(agent.read_counters(text)) == COUNTS
        agent.parse_statistics(text.beginning.decode())
        assert time.thread_time() - started < 0.05
    finally:
        gc.unfreeze()


def sends(*parts, pause=0.0, keeps_open=False, reads=True):
    def behaviour(connection, over):
        if reads:
            connection.recv(4096)
        for part in parts:
            connection.sendall(part)
            if over.wait(pause):
                return
        if keeps_open:
            over.wait(5)

    return behaviour


def drips(connection, over):
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while not over.wait(0.01):
        connection.sendall(b"a")


def drips_head(connection, over):
    while not over.wait(0.001):
        connection.sendall(b"H")


def floods(connection, over):
    """A page without an end."""
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while not over.is_set():
        connection.sendall(b"a=1\n" * 4096)


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        (sends(OK + b"\r\na=1\n"), "a=1\n"),
        (sends(OK + b"Content-Length: 4\r\n\r\na=1\n", keeps_open=True), "a=1\n"),
        (sends(OK + b"content-length:4\r\n\r\n", b"a=", b"1\n", pause=0.02, keeps_open=True), "a=1\n"),
        (sends(OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\na=\r\n", b"2;x=y\r\n1\n\r\n0\r\n\r\n", keeps_open=True), "a=1\n"),
        (sends(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"4\r\na=1\n\r", b"\n0\r\n\r\n", pause=0.02, keeps_open=True), "a=1\n"),
        (sends(b"HTTP/1.0 200 Fine\r\n\r\n\xff\xfe=\xe9"), "\ufffd\ufffd=\ufffd"),
        (sends(OK + b"Content-Length: 4\r\n\r\na=1\nb=2"), "a=1\n"),
        (sends(OK + b"Content-Length: 0\r\n\r\n", keeps_open=True), ""),
    ],
)
def test_fetch(behaviour, expected):
    with Server(behaviour) as server:
        assert agent.fetch("127.0.0.1", server.port, "/", 2).beginning.decode("utf-8", "replace") == expected


@pytest.mark.parametrize(
    ("behaviour", "why"),
    [
        (sends(keeps_open=True), "timed out"),
        (sends(OK, keeps_open=True), "timed out"),
        (sends(OK + b"Content-Length: 99\r\n\r\na=1", keeps_open=True), "timed out"),
        (drips, "timed out"),
        (drips_head, "timed out|not HTTP"),
        (sends(b"x" * 9000, keeps_open=True), "not HTTP"),
        (sends(b"SSH-2.0-OpenSSH_9\r\n\r\n"), "not HTTP"),
        (sends(b""), "no answer"),
        (sends(b"HTTP/1.1 500 Oops\r\n\r\na=1"), "HTTP status 500"),
        (sends(b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n"), "HTTP status 302"),
        (sends(OK + b"Content-Length: 99\r\n\r\na=1"), "cut short"),
        (sends(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"), "cut short"),
        (sends(OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 1_000_000), "in too many pieces"),
        (sends(OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"\r\n" * 1_000_000), "in too many pieces|cut short"),
        (sends(OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"0" * 1_000_000), "cut short"),
        (sends(OK + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\na=1\n"), "not HTTP"),
        (sends(OK + b"Content-Length: -1\r\n\r\na=1\n"), "not HTTP"),
        (sends(OK + b"Content-Length: 99999999999\r\n\r\na=1"), "cut short"),
        (sends(OK + b"X: " + b"y" * 9000 + b"\r\n\r\na=1"), "not HTTP"),
        (sends(b"HTTP/1.1 2000 OK\r\n\r\na=1"), "not HTTP"),
        (sends(OK + b"Transfer-Encoding: chunked\r\n\r\n99\r\na=1"), "cut short"),
    ],
)
def test_fetch_is_bounded_in_time_and_size(behaviour, why):
    with Server(behaviour) as server:
        started, used = time.monotonic(), time.thread_time()
        with pytest.raises(agent.StatisticsError, match=why):
            agent.fetch("127.0.0.1", server.port, "/", 0.3)
        assert time.monotonic() - started < 1.5
        assert time.thread_time() - used < 0.1


def test_a_page_without_an_end_is_judged_by_its_beginning():
    with Server(floods) as server:
        used = time.thread_time()
        page = agent.fetch("127.0.0.1", server.port, "/", 0.5)
        assert (page.beginning[:8], page.end, page.whole) == (b"a=1\na=1\n", b"", False)
        with pytest.raises(agent.StatisticsError, match="no stream counters"):
            agent.count(agent.read_counters(page))
        assert time.thread_time() - used < 0.2


def test_a_long_page_that_does_not_end_in_time_is_judged_by_its_beginning():
    text = PAGE.replace("streams_viewers=one", "streams_viewers=" + "a" * 100_000).encode()
    with Server(sends(OK + b"\r\n" + text, keeps_open=True)) as server:
        page = agent.fetch("127.0.0.1", server.port, "/", 0.3)
        assert agent.count(agent.read_counters(page)) == {**COUNTS, "subscribers": 2}  # RTSP stands behind the names


WEBSOCKET = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n"


@pytest.mark.parametrize(
    ("behaviour", "problem"),
    [
        (sends(WEBSOCKET, keeps_open=True), ""),
        (sends(b"HTTP/1.1 100 Continue\r\n\r\n"), "HTTP status 100"),
        (sends(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", keeps_open=True), "HTTP status 200"),
        (sends(b"HTTP/1.1 204 Nothing\r\n\r\n"), "HTTP status 204"),
        (sends(b"HTTP/1.1 301 Moved\r\nLocation: /\r\n\r\n"), "HTTP status 301"),
        (sends(b"HTTP/1.1 304 Same\r\n\r\n"), "HTTP status 304"),
        (sends(b"HTTP/1.1 403 Forbidden\r\n\r\n"), ""),
        (sends(b"HTTP/1.1 426 Upgrade Required\r\n\r\n", keeps_open=True), ""),
        (sends(WEBSOCKET[:20], WEBSOCKET[20:], pause=0.05), ""),
        (sends(b"HTTP/1.1 500 Oops\r\n\r\n"), "HTTP status 500"),
        (sends(b"HTTP/1.1 503 No\r\n\r\n", keeps_open=True), "HTTP status 503"),
        (sends(b"HTTP/1.1 600 What\r\n\r\n"), "not HTTP"),
        (sends(b""), "no answer"),
        (sends(keeps_open=True), "timed out"),
        (sends(WEBSOCKET[:40], keeps_open=True), "timed out"),
        (sends(WEBSOCKET[:40]), "not HTTP"),
        (sends(b"garbage\r\n\r\n"), "not HTTP"),
        (sends(b"\0" * 10_000, keeps_open=True), "not HTTP"),
        (sends(b"SSH-2.0-OpenSSH_9\r\n", keeps_open=True), "timed out"),
        (drips_head, "timed out|not HTTP"),
    ],
)
def test_a_websocket_can_be_had_or_not(behaviour, problem):
    with Server(behaviour) as server:
        started, used = time.monotonic(), time.thread_time()
        outcome = agent.Handshake("127.0.0.1", server.port, 0.3).outcome()
        assert re.fullmatch(f"port {server.port}: ({problem})" if problem else "", outcome), outcome
        assert time.monotonic() - started < 1
        assert time.thread_time() - used < 0.1


def test_a_websocket_is_asked_for_as_a_client_would_and_closed():
    asked = []

    def behaviour(connection, _over):
        asked.append(connection.recv(4096))
        connection.sendall(WEBSOCKET)
        asked.append(connection.recv(4096))

    with Server(behaviour) as server:
        assert agent.Handshake("127.0.0.1", server.port, 1).outcome() == ""
        until(lambda: len(asked) == 2)
    request = asked[0].decode()
    assert request.startswith("GET / HTTP/1.1\r\n") and "\r\nUpgrade: websocket\r\n" in request
    assert re.search(r"\r\nSec-WebSocket-Key: [A-Za-z0-9+/]{22}==\r\n", request)
    assert asked[1][:1] == b"\x88"


def test_a_websocket_that_nobody_listens_for():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert agent.Handshake("127.0.0.1", port, 1).outcome() == f"port {port}: connection refused"


def test_fetch_says_that_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(agent.StatisticsError, match="connection refused"):
        agent.fetch("127.0.0.1", port, "/", 1)


def test_fetch_asks_as_a_browser_would():
    asked = []
    with Server(lambda connection, _over: asked.append(connection.recv(4096)) or connection.sendall(OK + b"\r\n")) as server:
        agent.fetch("127.0.0.1", server.port, "/?action=stat", 1)
        assert asked == [f"GET /?action=stat HTTP/1.0\r\nHost: 127.0.0.1:{server.port}\r\nConnection: close\r\n\r\n".encode()]
