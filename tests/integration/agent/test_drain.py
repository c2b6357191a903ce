# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operator's drain on two balancers at once, and what reloads make of it."""

from __future__ import annotations

import time

import pytest
from ansible_collections.webcallserver.balancer.tests.integration.agent.doubles import Balancer, RealAgent, Wcs
from ansible_collections.webcallserver.balancer.tests.support.waiting import eventually


@pytest.fixture
def fleet(tmp_path):
    """Two balancers, each with an address of its own, in front of two nodes."""
    nodes = Wcs("wcs1"), Wcs("wcs2")
    balancers = []
    for number in (1, 2):
        place = tmp_path / f"haproxy{number}"
        place.mkdir()
        balancers.append(Balancer(place, [(node.name, node.web.port, node.agent_port) for node in nodes], source=f"127.0.0.{number}"))
    yield balancers, nodes, tmp_path
    for balancer in balancers:
        balancer.close()
    for node in nodes:
        node.close()


def test_a_drain_through_the_agent_moves_new_sessions_away_on_every_balancer(fleet, monkeypatch):
    balancers, (node, other), directory = fleet
    real = RealAgent(node, directory / "agent")
    held = [balancer.websocket("wcs1") for balancer in balancers]
    real.order(monkeypatch, "drain", "--reason", "new disk")
    for balancer in balancers:
        assert balancer.becomes("wcs1", "DRAIN (agent)")
        assert {balancer.request() for _request in range(10)} == {other.name}
        assert balancer.request(cookie="wcs1") == "wcs1"  # who was there before may come back
        assert balancer.says("wcs1", "drained: new disk")
    assert set(real.agent.saw) == {"127.0.0.1", "127.0.0.2"}
    balancers[0].ask("set server wcs_back/wcs2 state drain")  # somebody else's drain, which must stay
    real.order(monkeypatch, "undrain")
    for balancer in balancers:
        assert balancer.becomes("wcs1", "UP")
    for connection in held:
        connection.sendall(b"still here")
        assert connection.recv(100) == b"still here"
        connection.close()
    assert eventually(lambda: real.agent.saw, {}) == {}
    assert [balancer.status("wcs2")[:5] for balancer in balancers] == ["DRAIN", "UP"]
    # from here on a drain by the balancer's operator on the very server that was drained is his own
    balancers[0].ask("set server wcs_back/wcs1 state drain")
    time.sleep(0.5)
    assert balancers[0].status("wcs1").startswith("DRAIN")
    real.close()


def test_a_balancer_that_was_away_when_the_drain_ended(fleet, monkeypatch):
    balancers, (node, _other), directory = fleet
    real = RealAgent(node, directory / "agent")
    real.order(monkeypatch, "drain")
    for balancer in balancers:
        assert balancer.becomes("wcs1", "DRAIN (agent)")
    answer = node.say
    node.say = lambda address: b"" if address == "127.0.0.2" else answer(address)  # the second cannot reach the agent
    real.order(monkeypatch, "undrain")
    assert eventually(lambda: balancers[0].status("wcs1"), "UP") == "UP"
    assert eventually(lambda: list(real.agent.saw), ["127.0.0.2"]) == ["127.0.0.2"]
    assert balancers[1].status("wcs1") == "DRAIN (agent)"
    node.say = answer
    assert eventually(lambda: balancers[1].status("wcs1"), "UP") == "UP"
    assert eventually(lambda: real.agent.saw, {}) == {}
    real.close()


def test_a_balancer_that_reloads_while_the_drain_ends(fleet, monkeypatch):
    """The new worker begins with a drain whose end the old one has heard already."""
    balancers, (node, _other), directory = fleet
    real = RealAgent(node, directory / "agent", ready_seconds=6)
    real.order(monkeypatch, "drain")
    for balancer in balancers:
        assert balancer.becomes("wcs1", "DRAIN (agent)")
    held = balancers[1].websocket("wcs1")
    balancers[1].ask("set server wcs_back/wcs2 state drain")
    balancers[1].save()
    real.order(monkeypatch, "undrain")
    for balancer in balancers:
        assert balancer.becomes("wcs1", "UP")
    balancers[1].reload()
    assert balancers[1].becomes("wcs1", "UP")
    assert balancers[1].status("wcs2").startswith("DRAIN")  # the operator's
    assert {balancers[1].request() for _request in range(10)} == {node.name}
    held.sendall(b"still here")
    assert held.recv(100) == b"still here"
    held.close()
    assert eventually(lambda: real.agent.saw, {}, 10) == {}
    real.close()


@pytest.mark.parametrize(
    ("graded", "checks"),
    [
        (False, "inter 200ms rise 3 fall 2 agent-inter 200ms"),  # the first poll comes before health checks can raise the server
        (True, "inter 100ms rise 2 fall 2 agent-inter 2s"),  # the state file keeps the weight, and the agent's was 0 %
    ],
)
@pytest.mark.parametrize("state", ["busy", "drained"])
def test_a_reload_lets_nothing_through(tmp_path, monkeypatch, graded, checks, state):
    node, other = Wcs("wcs1"), Wcs("wcs2")
    real = RealAgent(node, tmp_path / "agent", graded=graded)
    balancer = Balancer(tmp_path, [(one.name, one.web.port, one.agent_port) for one in (node, other)], checks)
    try:
        if state == "busy":
            real.agent.meter.values = {"cpu": 99.0}
            shown = "DOWN (agent)"
        else:
            real.order(monkeypatch, "drain")
            shown = "DRAIN (agent)"
        assert eventually(lambda: balancer.status("wcs1"), shown) == shown
        for _reload in range(3):
            balancer.save()
            balancer.reload()
            until = time.monotonic() + 1.5
            answered = []
            while time.monotonic() < until:
                answered.append(balancer.request())
            assert set(answered) == {other.name}, f"{answered.count(node.name)} of {len(answered)} leaked"
            assert eventually(lambda: balancer.status("wcs1"), shown) == shown
        real.agent.meter.values = {"cpu": 1.0}
        if state == "drained":
            real.order(monkeypatch, "undrain")
        assert eventually(lambda: balancer.status("wcs1"), "UP", 12) == "UP"
        assert eventually(lambda: balancer.seen("wcs1")[1] > 0, True) is True
    finally:
        balancer.close()
        real.close()
        node.close()
        other.close()
