# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From readings to a verdict, and from a verdict to the line for HAProxy."""

from __future__ import annotations

import pytest
from ansible_collections.webcallserver.balancer.roles.wcs_node.files import wcs_agent as agent

ALL = dict(agent.DEFAULT_MARKS)
IDLE = {"cpu": 10.0, "publishers": 1, "subscribers": 2, "hls": 0, "band-in": 1.5, "band-out": 3.0, "media-ports-free": 495, "media-ports": 499}


def limits(marks=None, **others):
    return agent.Limits(marks if marks is not None else ALL)._replace(**others)


def judge(rule, *readings):
    """Decide on readings of one second after the other: {name: value} or the text of an error."""
    verdict = None
    for at, values in enumerate(readings):
        error = values if isinstance(values, str) else ""
        verdict = agent.decide(rule, agent.Reading({"cpu": 10.0} if error else values, float(at), error), verdict)
    return verdict


@pytest.mark.parametrize(
    ("values", "reasons"),
    [
        ({}, ()),
        ({"cpu": 89.99}, ()),
        ({"cpu": 90.0}, ("cpu 90>=90",)),
        ({"cpu": 93.37}, ("cpu 93.4>=90",)),
        ({"publishers": 99}, ()),
        ({"publishers": 100}, ("publishers 100>=100",)),
        ({"subscribers": 101}, ("subscribers 101>=100",)),
        ({"hls": 100}, ("hls 100>=100",)),
        ({"band-in": 100.0}, ("band-in 100>=100",)),
        ({"band-out": 1234.5}, ("band-out 1234.5>=100",)),
        ({"media-ports-free": 11}, ()),
        ({"media-ports-free": 10}, ("media-ports-free 10<=10",)),
        ({"media-ports-free": 0}, ("media-ports-free 0<=10",)),
        ({"cpu": None, "publishers": None}, ()),
        ({"cpu": 95, "publishers": 200, "media-ports-free": 3}, ("cpu 95>=90", "publishers 200>=100", "media-ports-free 3<=10")),
        ({name: 10**15 for name in ALL if name != "media-ports-free"}, tuple(f"{name} {10**15}>={ALL[name]}" for name in ALL if name != "media-ports-free")),
    ],
)
def test_every_limit(values, reasons):
    verdict = judge(limits(), {**IDLE, **values})
    assert (verdict.state, verdict.reasons) == ("down" if reasons else "up", reasons)


@pytest.mark.parametrize(("values", "state"), [({"cpu": 99.0, "publishers": 4}, "up"), ({"cpu": 1.0, "publishers": 5}, "down")])
def test_only_the_limits_that_are_given_are_watched(values, state):
    assert judge(limits({"publishers": 5}), values).state == state


@pytest.mark.parametrize(
    ("readings", "reasons"),
    [
        ([89], ()),
        ([90], ("cpu 90>=90",)),
        ([90, 89], ("cpu 89 not yet <81",)),
        ([90, 81], ("cpu 81 not yet <81",)),
        ([90, 80], ("cpu 80 held",)),
        ([90, 80, 80, 80], ()),
        ([90, 82, 82, 82, 82, 80], ()),
        ([90, 82, 82, 82, 82, 82], ("cpu 82 not yet <81",)),
        ([90, 80, 80, 80, 89], ()),
        ([90, 80, 80, 80, 90], ("cpu 90>=90",)),
        ([90, 80, 80, 80, 90, 80], ("cpu 80 held",)),
        ([90, None], ()),
    ],
)
def test_hysteresis(readings, reasons):
    verdict = judge(limits({"cpu": 90}, margin=10, hold=3), *({"cpu": value} for value in readings))
    assert verdict.reasons == reasons


@pytest.mark.parametrize(
    ("readings", "reasons"),
    [
        ([10, 11], ("media-ports-free 11 not yet >12",)),
        ([10, 12], ("media-ports-free 12 not yet >12",)),
        ([10, 13], ()),
    ],
)
def test_hysteresis_from_above(readings, reasons):
    verdict = judge(limits({"media-ports-free": 10}, margin=20, hold=0), *({"media-ports-free": value} for value in readings))
    assert verdict.reasons == reasons


def test_each_limit_has_its_own_hysteresis_and_the_state_its_own_since():
    rule = limits({"cpu": 90, "publishers": 10}, margin=10, hold=2)
    verdict = judge(rule, {"cpu": 0, "publishers": 0}, {"cpu": 95, "publishers": 0}, {"cpu": 85, "publishers": 10}, {"cpu": 0, "publishers": 10})
    assert verdict.reasons == ("publishers 10>=10",)
    assert verdict.since == 1.0
    assert verdict.hits == {"publishers": 2.0}


@pytest.mark.parametrize(
    ("readings", "state", "readable"),
    [
        (["timed out"], "down", False),
        ([IDLE, "timed out"], "up", True),
        ([IDLE, "timed out", "timed out"], "down", False),
        ([IDLE, "timed out", IDLE, "timed out"], "up", True),
        (["timed out", IDLE], "up", True),
        (["timed out", IDLE, "timed out"], "up", True),
        ([IDLE, "timed out", "timed out", IDLE], "up", True),
    ],
)
def test_unreadable_statistics(readings, state, readable):
    verdict = judge(limits(misses=2), *readings)
    assert (verdict.state, verdict.serves) == (state, readable)
    assert verdict.reasons == (() if readable else ("statistics unreadable: timed out",))


def test_a_reached_limit_is_not_forgotten_while_the_page_is_unreadable():
    verdict = judge(limits(misses=3), {**IDLE, "publishers": 100}, "timed out")
    assert verdict.reasons == ("publishers was reached",)


@pytest.mark.parametrize(
    ("values", "weight"),
    [
        ({}, 89),
        ({"cpu": 45.0}, 50),
        ({"publishers": 75}, 25),
        ({"publishers": 99}, 1),
        ({"cpu": 89.9, "publishers": 50}, 1),
        ({"cpu": 0.0, "publishers": 0, "subscribers": 0, "hls": 0, "band-in": 0.0, "band-out": 0.0, "media-ports-free": 499}, 100),
        ({"media-ports-free": 108}, 20),
        ({"media-ports-free": 108, "media-ports": None}, 89),
        ({"publishers": 100}, 0),
    ],
)
def test_graded_weight(values, weight):
    assert judge(limits(graded=True), {**IDLE, **values}).weight == weight
    assert judge(limits(), {**IDLE, **values}).weight is None


@pytest.mark.parametrize(
    ("publishers", "weights"),
    [
        ([0, 90, 0, 0], [100, 10, 20, 30]),
        ([100, 0, 0], [0, 10, 20]),
        ([0, 50, 45], [100, 50, 55]),
        ([50, "timed out", 0], [50, 50, 60]),
    ],
)
def test_a_graded_weight_falls_at_once_and_climbs_slowly(publishers, weights):
    rule = limits({"publishers": 100}, graded=True, hold=0)
    readings = [value if isinstance(value, str) else {"publishers": value} for value in publishers]
    assert [judge(rule, *readings[: end + 1]).weight for end in range(len(readings))] == weights


def verdict(state="up", weight=None, reasons=(), readable=True):
    return agent.Verdict(state, weight, reasons, 0.0, {}, 0, readable)


BUSY = verdict("down", reasons=("cpu 93>=90", "publishers 100>=100"))
SICK = verdict("down", reasons=("statistics unreadable: timed out",), readable=False)


@pytest.mark.parametrize(
    ("given", "drain", "ready", "line"),
    [
        (verdict(), None, False, b"up 100%\n"),
        (verdict(weight=37), None, False, b"up 37%\n"),
        (verdict(), None, True, b"up ready 100%\n"),
        (verdict(weight=1), None, True, b"up ready 1%\n"),
        (BUSY, None, False, b"down #cpu 93>=90, publishers 100>=100\n"),
        (BUSY, None, True, b"down ready #cpu 93>=90, publishers 100>=100\n"),
        (BUSY._replace(weight=0), None, False, b"down 0% #cpu 93>=90, publishers 100>=100\n"),
        (SICK, None, False, b"down #statistics unreadable: timed out\n"),
        (verdict(), "new disk", False, b"up drain 100% #drained: new disk\n"),
        (verdict(), "", False, b"up drain 100% #drained\n"),
        (verdict(), "new disk", True, b"up drain 100% #drained: new disk\n"),
        (verdict(weight=40), "new disk", False, b"up drain 40% #drained: new disk\n"),
        (BUSY, "new disk", False, b"up drain 100% #drained: new disk, cpu 93>=90, publishers 100>=100\n"),
        (BUSY._replace(weight=0), "new disk", False, b"up drain 1% #drained: new disk, cpu 93>=90, publishers 100>=100\n"),
        (SICK, "new disk", False, b"down drain #drained: new disk, statistics unreadable: timed out\n"),
    ],
)
def test_reply(given, drain, ready, line):
    assert agent.reply(given, drain, ready) == line


@pytest.mark.parametrize("given", [BUSY, SICK, BUSY._replace(weight=0), SICK._replace(weight=0)])
@pytest.mark.parametrize("ready", [False, True])
def test_the_reason_has_its_blank(given, ready):
    words = agent.reply(given, None, ready).split()
    assert words[0] == b"down"  # `down#reason` is an unknown word for HAProxy, and leaves the server up
    assert agent.reply(given, None, ready).partition(b"#")[0].endswith(b" ")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        (" two\n\tlines\r\n", "two lines"),
        ('say "no" # \\never', "say no never"),
        ("Stra\u00dfe \u2713", "Stra e"),
        ("x" * 100, "x" * 100),
        ("x" * 101, "x" * 97 + "..."),
        ("\x00\x7f", ""),
    ],
)
def test_describe(text, shown):
    assert agent.describe(text) == shown
