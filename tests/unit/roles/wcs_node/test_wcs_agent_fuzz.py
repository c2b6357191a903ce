# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever the statistics server, a client or a file says: no exception, no wrong verdict, no growth.

WCS_AGENT_EXAMPLES sets how many examples each test tries (default 80), and a hundred times as many pages and clients are tried for growth.
`make fuzz` sets 2000, which makes that 200,000.
"""

from __future__ import annotations

import json
import os
import random
import re
import socket
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "roles" / "wcs_node" / "files"))
import wcs_agent as agent

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
COUNTERS = sorted({*agent.PUBLISHERS, *agent.SUBSCRIBERS, *agent.MEDIA_PORTS, "streams_hls", "streams_websocket_out", "streams_viewers"})

values = st.one_of(st.integers(-5, 300), st.integers(), st.floats(), st.text(max_size=20), st.lists(st.integers(), max_size=3), st.none())
lines = st.one_of(
    st.builds("{}={}".format, st.sampled_from(COUNTERS), values),
    st.builds("{}={} {}".format, st.sampled_from(COUNTERS), values, st.integers(0, 9)),
    st.builds("-----{} Stats-----".format, st.text(max_size=10)),
    st.builds("{}={}".format, st.text(max_size=10), values),
    st.text(max_size=40),
)
pages = st.one_of(st.lists(lines, max_size=30).map("\n".join), st.text(max_size=400))


def read(page):
    """Return the reading of a page as the meter takes it."""
    try:
        return agent.Reading({"cpu": 1.0, **agent.count(agent.parse_statistics(page))}, 1.0)
    except agent.StatisticsError as error:
        return agent.Reading({"cpu": 1.0}, 1.0, str(error))


def expected_states(page):
    """Judge a page in another way than the agent does; a counter that several sections have may count with either value."""
    section, found = "", {}
    for line in (line.strip() for line in page.splitlines()):
        if line.startswith("-"):
            name = re.match(r"-+\s*([A-Za-z]+)", line)
            section = name.group(1).lower() if name else ""
        elif "=" in line:
            key, value = line.split("=", 1)
            found[key.strip(), section] = (value.split() or [""])[0]
    numbers = {}
    for (key, _section), text in found.items():
        if key in COUNTERS and re.match(r"(?:[0-9]{1,15}(?:\.[0-9]{1,9})?|-0(?:\.0{1,9})?)\Z", text):
            numbers.setdefault(key, []).append(float(text))
    if not any(key in numbers for key in (*agent.PUBLISHERS, *agent.SUBSCRIBERS, "streams_hls")):
        return {"down"}

    def least_and_most(keys):
        known = [numbers[key] for key in keys if key in numbers]
        return sum(min(some) for some in known), sum(max(some) for some in known)

    counts = [least_and_most(agent.PUBLISHERS), least_and_most(agent.SUBSCRIBERS), least_and_most(["streams_hls"])]
    ports = numbers.get("ports_media_free", [11])
    return ({"down"} if any(most >= 100 for _least, most in counts) or min(ports) <= 10 else set()) | (
        {"up"} if all(least < 100 for least, _most in counts) and max(ports) > 10 else set()
    )


@fuzz
@given(pages, st.booleans(), st.booleans(), st.one_of(st.none(), st.text(max_size=200)))
def test_any_page_gives_the_right_state_in_a_whole_line(page, graded, ready, drain):
    reading = read(page)
    verdict = agent.decide(agent.Limits(graded=graded), reading)
    assert verdict.state in expected_states(page)
    line = agent.reply(verdict, drain, ready)
    assert LINE.match(line), line
    assert len(line) < 180
    if drain is None:
        assert line.startswith(verdict.state.encode())


@fuzz
@given(
    st.lists(
        st.one_of(st.none(), st.dictionaries(st.sampled_from(sorted(agent.UNITS)), st.one_of(st.none(), st.integers(0, 200), st.floats(0, 200)))), max_size=12
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


class Answer:
    """A socket from which a prepared answer is read in pieces."""

    def __init__(self, pieces):
        self.pieces = list(pieces)

    def __call__(self, *_arguments):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        return False

    def settimeout(self, _seconds):
        pass

    connect = sendall = settimeout

    def recv(self, _size):
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
    real = agent.socket.socket
    agent.socket.socket = Answer([part for part in (head, *parts) if part])
    try:
        page = agent.fetch("127.0.0.1", 8081, "/", 5)
    except agent.StatisticsError as error:
        assert str(error)
    else:
        assert isinstance(page, str)
    finally:
        agent.socket.socket = real


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
    assert LINE.match(agent.reply(agent.decide(agent.Limits(), read("streams_hls=1")), order["reason"]))
    assert order["until"] is None or order["until"] >= 0


def test_many_pages_and_clients_do_not_grow_the_memory(port):
    chance = random.Random(9707)

    def resident():
        with open("/proc/self/status", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))

    scraps = ["\n", "\n", "=", "=", "-----", " Stats-----\n", " ", "-", "1", "99", "100", "498", "1e9", "\x00", "\u0663", "<html>", "{", "\r", "/", ";", ".5"]

    def one():
        page = "".join(
            chance.choice(scraps) if chance.random() < 0.5 else f"\n{chance.choice(COUNTERS)}={chance.randrange(-5, 130)}"
            for _scrap in range(chance.randrange(30))
        )
        verdict = agent.decide(agent.Limits(), read(page))
        assert verdict.state in expected_states(page), page
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
