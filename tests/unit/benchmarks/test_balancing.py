# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulation of pools: known values, and nothing lost on the way."""

from __future__ import annotations

import pytest
from ansible_collections.webcallserver.balancer.benchmarks import balancing

QUIET, FULL = balancing.SCENARIOS[0], balancing.Scenario("beyond its room", 1.3)
HOWTO, _HOWTO_MAXCONN, _PLAIN, GRADED, GRADED_MAXCONN, SLOW, FLOOR = balancing.POLICIES


@pytest.mark.parametrize(
    ("offered", "servers", "blocked"),
    [
        (1, 1, 0.5),
        (2, 2, 0.4),
        (5, 10, 0.018385),
        (100, 100, 0.075700),
        (950, 1000, 0.003649),
        (0, 3, 0),
    ],
)
def test_erlang_b(offered, servers, blocked):
    assert balancing.erlang_b(offered, servers) == pytest.approx(blocked, rel=1e-3)


@pytest.mark.parametrize("policy", balancing.POLICIES, ids=lambda policy: policy.name)
@pytest.mark.parametrize("scenario", [*balancing.SCENARIOS, FULL], ids=lambda scenario: scenario.name)
def test_no_session_is_lost(scenario, policy):
    pool = balancing.Pool(scenario, policy, 4, seed=7)
    result = pool.watch(200)
    assert pool.begun == pool.left + sum(node.sessions for node in pool.nodes)
    assert min(node.sessions for node in pool.nodes) >= 0
    assert 0 <= result.refused < 100
    if policy.maxconn or policy.instant:
        assert result.overshoot <= 0


def test_the_floor_is_erlangs():
    """The balancer that knows everything refuses what the formula says, for a pool as for one big server."""
    pool = balancing.Pool(FULL, FLOOR, 2, seed=1)
    pool.run(1500)
    assert pool.watch(20000).refused == pytest.approx(100 * balancing.erlang_b(1.3 * 200, 200), rel=0.05)


def test_the_same_seed_gives_the_same_figures():
    first, second = (balancing.simulate((QUIET, GRADED, 5, 60, 60, 2)) for _run in range(2))
    assert first == second


def test_grades_even_the_load_out():
    howto, graded = (balancing.simulate((QUIET, policy, 10, 600, 600, 1)).variation for policy in (HOWTO, GRADED))
    assert graded < 0.75 * howto


def test_turns_go_by_weight():
    nodes = balancing.Pool(QUIET, GRADED_MAXCONN, 3, seed=0).nodes
    for node, percent in zip(nodes, (100, 50, 25)):
        node.percent = percent
    nodes[2].up = False
    chosen = [balancing.choose(nodes, GRADED, 100.0) for _turn in range(30)]
    assert [chosen.count(node) for node in nodes] == [20, 10, 0]
    assert chosen[:3].count(nodes[0]) == 2  # in turns, not in a row


@pytest.mark.parametrize(("policy", "weights", "full"), [(GRADED_MAXCONN, [40, 40, 40], [False] * 3), (SLOW, [2, 20, 40], [True, True, False])])
def test_only_with_slowstart_a_node_that_comes_back_starts_slowly(policy, weights, full):
    node = balancing.Pool(QUIET, policy, 1, seed=0).nodes[0]
    node.sessions = 60
    assert node.hear(b"down 0% #publishers 100>=100\n", 10.0)
    assert node.hear(b"up 40%\n", 20.0)
    assert [node.weight(now) for now in (20.0, 25.0, 30.0)] == weights
    assert [node.full(now) for now in (20.0, 26.9, 27.1)] == full
