# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever the statistics server, a client or a file says: no exception, no wrong verdict, no growth.

WCS_AGENT_EXAMPLES sets how many examples each test tries (default 80), and a hundred times as many pages, names and clients are tried for growth and
for what they cost. `make fuzz` sets 2000, which makes that 200,000.
"""

from __future__ import annotations

import json
import os
import random
import re
import socket
import tempfile
import threading
from pathlib import Path

import pytest
from ansible_collections.webcallserver.balancer.roles.wcs_node.files import wcs_agent as agent
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("WCS_AGENT_EXAMPLES", "80"))
# The short run tries the same examples every time; what it does not try is for the long one, with other examples each time.
fuzz = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=EXAMPLES == 80,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

LINE = re.compile(rb"(?:up(?: drain| ready)? (?:[1-9][0-9]?|100)%|down(?: drain| ready)?(?: 0%)? #)[^\n]*\n\Z")
COUNTERS = sorted({*agent.COUNTERS, "streams_viewers", "streams_synchronization"})
HEADERS = ["-----Stream Stats-----", "-----Port Stats-----", "-----Connection Stats-----", "--", "-Streams"]

values = st.one_of(
    st.integers(-5, 300),
    st.integers(),
    st.floats(),
    st.sampled_from(["7.5E-4", "1.0E2", "NaN", "Infinity", "-0.0"]),
    st.text(max_size=20),
    st.lists(st.integers(), max_size=3),
    st.none(),
)
lines = st.one_of(
    st.builds("{}={}".format, st.sampled_from(COUNTERS), values),
    st.builds("{}={} {}".format, st.sampled_from(COUNTERS), values, st.integers(0, 9)),
    st.builds("-----{} Stats-----".format, st.text(max_size=10)),
    st.sampled_from(HEADERS),
    st.builds("{}={}".format, st.text(max_size=10), values),
    st.text(max_size=40),
)
pages = st.one_of(st.lists(lines, max_size=30).map("\n".join), st.text(max_size=400))


def read(page):
    """Return the reading of a page as the meter takes it."""
    try:
        return agent.Reading({"cpu": 1.0, **agent.count(agent.read_counters(agent.Page(page.encode())))}, 1.0)
    except agent.StatisticsError as error:
        return agent.Reading({"cpu": 1.0}, 1.0, str(error))


def expected_state(page):
    """Judge a page in another way than the agent does: line by line."""
    section, named, before, behind = "", False, {}, {}
    for line in page.split("\n"):
        line = line.strip(" \t")
        key, equals, value = line.partition("=")
        key, word = key.rstrip(" \t"), re.split("[ \t]", value.strip(" \t"))[0].encode()[:60].decode("utf-8", "replace")
        if line.startswith("-"):
            section = re.match("[A-Za-z]*", line.lstrip("-").lstrip(" \t")).group().lower()
        elif equals and key in ("streams_viewers", "streams_synchronization"):
            named = True
        elif equals and key in COUNTERS:
            word = word[:-1] if word.endswith("\r") else word
            if named:
                behind[key] = word
            elif section in ("", "port" if key.startswith("ports") else "stream"):
                before.setdefault(key, word)
    if any(key.startswith("streams") and key != "streams_websocket_out" for key in before):
        behind = {key: word for key, word in behind.items() if key.startswith("streams_rtsp_")}
    numbers = {}
    for key, word in {**behind, **before}.items():
        if re.fullmatch(r"-?[0-9]{1,19}(\.[0-9]{1,30})?(E[+-]?[0-9]{1,3})?", word) and 0 <= float(word) < float("inf"):
            numbers[key] = float(word)
    counts = [[numbers[key] for key in keys if key in numbers] for keys in (agent.PUBLISHERS, agent.SUBSCRIBERS, agent.HLS)]
    busy = any(sum(known) >= 100 for known in counts) or numbers.get("ports_media_free", 11) <= 10
    return "up" if any(counts) and not busy else "down"


@fuzz
@given(pages, st.booleans(), st.booleans(), st.one_of(st.none(), st.text(max_size=200)))
def test_any_page_gives_the_right_state_in_a_whole_line(page, graded, ready, drain):
    reading = read(page)
    verdict = agent.decide(agent.Limits(graded=graded), reading)
    assert verdict.state == expected_state(page)
    line = agent.reply(verdict, drain, ready)
    assert LINE.match(line), line
    assert len(line) < 180
    if drain is None:
        assert line.startswith(verdict.state.encode())


@fuzz
@given(
    st.lists(
        st.one_of(st.none(), st.dictionaries(st.sampled_from(sorted(agent.DEFAULT_MARKS)), st.one_of(st.none(), st.integers(0, 200), st.floats(0, 200)))),
        max_size=12,
    ),
    st.booleans(),
    st.integers(0, 50),
    st.integers(0, 5),
    st.integers(1, 3),
)
def test_no_history_leads_the_wrong_way(history, graded, margin, hold, misses):
    rule, verdict = agent.Limits(graded=graded, margin=margin, hold=hold, misses=misses), None
    for at, read_values in enumerate(history):
        reading = agent.Reading({} if read_values is None else read_values, float(at), "timed out" if read_values is None else "")
        before, verdict = verdict, agent.decide(rule, reading, verdict)
        assert LINE.match(agent.reply(verdict))
        reached = [
            name
            for name, value in reading.values.items()
            if value is not None and (value <= rule.marks[name] if name in agent.LOW_WATER else value >= rule.marks[name])
        ]
        if reached:
            assert verdict.state == "down"
        elif read_values is not None and not (before and before.hits):
            assert verdict.state == "up"
        if graded:
            assert verdict.weight == 0 if verdict.state == "down" else 1 <= verdict.weight <= 100


class Line:
    """A connection from which a prepared answer is read in pieces."""

    host = "127.0.0.1:8081"

    def __init__(self, pieces):
        self.pieces = list(pieces)

    def __call__(self, *_arguments):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        return False

    def send(self, _request):
        pass

    def receive(self):
        return self.pieces.pop(0) if self.pieces else b""


heads = st.sampled_from(
    [
        b"",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.0 503 No\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
    ]
)
pieces = st.one_of(st.binary(max_size=60), st.sampled_from([b"5\r\na=1\r\n\r\n", b"0\r\n\r\n", b"streams_hls=3\n", b"\r\n", b"ffffff\r\n"]))


@fuzz
@given(heads, st.lists(pieces, max_size=8))
def test_any_answer_is_a_page_or_a_reason(head, parts):
    real = agent.Line
    agent.Line = Line([part for part in (head, *parts) if part])
    try:
        page = agent.fetch("127.0.0.1", 8081, "/", 5)
    except agent.StatisticsError as error:
        assert str(error)
    else:
        assert isinstance(page, agent.Page)
        agent.parse_statistics(page.beginning.decode("utf-8", "replace"))
    finally:
        agent.Line = real


@pytest.fixture(scope="module")
def port():
    class Fixed:
        def answer(self, _peer, _now):
            return b"down #publishers 100>=100\n"

    listener = agent.listen("127.0.0.1", 0)
    threading.Thread(target=agent.serve, args=(listener, Fixed()), daemon=True).start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)


@fuzz
@given(sent=st.lists(st.binary(max_size=200), max_size=3), end=st.sampled_from(["read", "shutdown", "close", "reset"]))
def test_any_client_gets_the_line_or_hurts_only_itself(port, sent, end):
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        try:
            for part in sent:
                client.sendall(part)
            if end == "reset":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            if end == "shutdown":
                client.shutdown(socket.SHUT_WR)
            if end in ("read", "shutdown"):
                assert client.recv(4096) == b"down #publishers 100>=100\n"
        except OSError:
            assert sent  # what was sent unasked may be answered by a reset after the line
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        assert client.recv(4096) == b"down #publishers 100>=100\n"


plain = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=6,
)
some_settings = st.one_of(
    plain,
    st.dictionaries(
        st.sampled_from(sorted(agent._DEFAULTS)),
        st.one_of(
            plain,
            st.dictionaries(
                st.sampled_from(sorted({*agent.UNITS, *agent._DEFAULTS["statistics"], *agent._DEFAULTS["bandwidth"], *agent._DEFAULTS["hysteresis"]})),
                plain,
                max_size=4,
            ),
        ),
    ),
)


@fuzz
@given(some_settings)
def test_any_settings_are_taken_or_refused_with_words(raw):
    try:
        assert agent.make_settings(raw).raw is raw
    except agent.SettingsError as error:
        assert " must be " in str(error)


@fuzz
@given(st.one_of(st.text(max_size=60), plain.map(json.dumps), st.builds(lambda reason, until: json.dumps({"reason": reason, "until": until}), plain, plain)))
def test_any_order_drains(text):
    order = agent.parse_order(text)
    assert LINE.match(agent.reply(agent.decide(agent.Limits(), read("streams_hls=1")), order.reason))
    assert order.until is None or order.until >= 0
    assert agent.shown(order.reason).isprintable()


saved = st.dictionaries(
    st.sampled_from(["boot", "at", "saw", "polls", "memory", "verdict", "values", "error", "blind", "logged", "problems", "settings"]),
    st.one_of(plain, st.dictionaries(st.sampled_from(sorted({*agent.Verdict._fields, "machine", "smooth cpu", "at", "websocket", "::1", "hls"})), plain)),
)


@fuzz
@given(st.one_of(st.text(max_size=60), plain.map(json.dumps), saved.map(json.dumps)), st.one_of(st.text(max_size=20), plain.map(json.dumps)))
def test_any_state_and_order_of_its_own_let_it_start(text, order):
    with tempfile.TemporaryDirectory() as directory:
        state = text.replace('"boot": null', f'"boot": {json.dumps(agent.boot_id())}').replace('"at": null', f'"at": {agent.time.monotonic()}')
        Path(directory, "state.json").write_text(state, encoding="utf-8", errors="replace")
        Path(directory, "drain.json").write_text(order, encoding="utf-8", errors="replace")
        started = agent.Agent(agent.make_settings({}), directory)
        started.meter.read = lambda: read("streams_hls=1")
        started.load()
        for _tick in range(2):
            started.tick()
        assert LINE.match(started.answer("127.0.0.1", agent.time.monotonic()))
        assert agent.as_text({"running": True, **started.status()}).replace("\n", "").isprintable()


def test_many_pages_and_clients_do_not_grow_the_memory(port):
    chance = random.Random(9707)

    def resident():
        with open("/proc/self/status", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))

    scraps = ["\n", "\n", "=", "=", "-----", " Stats-----\n", " ", "-", "1", "99", "100", "498", "1e9", "\x00", "\u0663", "<html>", "{", "\r", "/", ";", ".5"]

    def one():
        page = "".join(
            chance.choice(scraps + HEADERS) if chance.random() < 0.5 else f"\n{chance.choice(COUNTERS)}={chance.randrange(-5, 130)}"
            for _scrap in range(chance.randrange(30))
        )
        verdict = agent.decide(agent.Limits(), read(page))
        assert verdict.state == expected_state(page), page
        assert LINE.match(agent.reply(verdict)), page
        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            client.sendall(bytes(chance.randrange(256) for _byte in range(chance.randrange(40))))
            if chance.random() < 0.5:
                assert client.recv(4096) == b"down #publishers 100>=100\n"

    for _warming in range(200):
        one()
    before = resident()
    for _example in range(100 * EXAMPLES):
        one()
    assert resident() - before < 1024


WCS_PAGE = """-----Connection Stats-----
connections=3
-----Port Stats-----
ports_media_free={ports}
ports_media_busy=1
-----Stream Stats-----
streams_webrtc_in={publishers}
streams_webrtc_out={subscribers}
streams_rtmp_in=0
streams_rtmp_out=0
streams_hls={hls}
streams_viewers={names}
streams_synchronization={names}
streams_rtsp_in={rtsp}
streams_rtsp_out=0
streams_play_rate=0.0
-----Core Stats-----
core_threads=40
band={band}
"""
FORGED = [f"\n{key}={number}\n" for key in (*COUNTERS, "band") for number in ("99999", "0", "-1", "NaN", "1E300", "")]
SCRAPS = [
    "a",
    ";",
    "/",
    ";b",
    "/1;",
    "-",
    "--",
    "- ",
    "=",
    "\n",
    "\r",
    "\r\n",
    "\0",
    " ",
    "\t",
    "\v",
    "\f",
    "\x1c",
    "\x85",
    "\u2028",
    "\u2029",
    "\u0663",
    "e\u0301",
]
SCRAPS += ["a=1\n", "-a\n", "_" * 100, "streams_", "streams_viewers=", "\nstreams_synchronization=", "1\r\n", "0\r\n\r\n", "HTTP/1.1 500 No\r\n\r\n"]


def a_name(chance):
    """Return a stream's name of up to 100 kB, short ones as often as long ones."""
    size, name = int(10 ** chance.uniform(0, 5)), ""
    while len(name) < size:
        scrap = chance.choice(chance.choice((SCRAPS, FORGED, [f"\n{header}\n" for header in HEADERS])))
        name += scrap * chance.choice((1, 1, 1, 10, 1 + (size - len(name)) // len(scrap)))
    return name[:size]


def test_no_name_moves_the_verdict_or_costs_time():
    chance = random.Random(int(os.environ.get("WCS_AGENT_SEED", "8081")))
    rule, worst = agent.Limits({**agent.DEFAULT_MARKS, "band-in": 50}), (0.0, "")
    for _example in range((100 if EXAMPLES > 80 else 10) * EXAMPLES):
        numbers = {"ports": chance.choice((5, 300)), "rtsp": chance.choice((0, 60))}
        numbers.update((key, chance.choice((0, 60, 120))) for key in ("publishers", "subscribers", "hls", "band"))
        name = a_name(chance)
        body = WCS_PAGE.format(names=f"one/2;{name}/1;two/3", **numbers).encode()
        head = chance.choice((b"", b"Content-Length: %d\r\n" % len(body), b"Transfer-Encoding: chunked\r\n"))
        if head.startswith(b"T"):
            # WCS chooses it, and no client; more than 4096 pieces are refused
            size = chance.choice((250, 8192))
            body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[at : at + size] for at in range(0, len(body), size))) + b"0\r\n\r\n"
        pieces = [b"HTTP/1.1 200 OK\r\n" + head + b"\r\n", *(body[at : at + 65536] for at in range(0, len(body), 65536))]
        for _attempt in range(5):  # a machine that is busy charges a thread with what others do, once in a thousand times
            started = agent.time.thread_time()
            answer = agent.Answer()
            for piece in pieces:
                answer.feed(piece)
            answer.end()
            counters = agent.read_counters(answer.page(), ["band"])
            verdict = agent.decide(rule, agent.Reading({"cpu": 1.0, "band-in": counters["band"], **agent.count(counters)}, 1.0))
            agent.parse_statistics(answer.page().beginning.decode("utf-8", "replace"))
            spent = agent.time.thread_time() - started
            if spent < 0.02:
                break
        worst = max(worst, (spent, name[:60]))
        wanted = [
            "publishers" if numbers["publishers"] + numbers["rtsp"] >= 100 else "",
            "subscribers" if numbers["subscribers"] >= 100 else "",
            "hls" if numbers["hls"] >= 100 else "",
            "band-in" if numbers["band"] >= 50 else "",
            "media-ports-free" if numbers["ports"] <= 10 else "",
        ]
        assert sorted(verdict.hits) == sorted(filter(None, wanted)), (name[:1000], numbers, head)
        assert spent < 0.05, name[:1000]
    print(f"worst sample: {1000 * worst[0]:.1f} ms of CPU")
