# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.webcallserver.balancer.plugins.filter.verify_report import verify_report

FORGED = "192.0.2.66"
OURS = "/198.51.100.7:50000/192.0.2.11:8080-1"


def node(*identifiers, websockets=1):
    return {"statistics": {"connection": {"connections_websocket": websockets}}, "connections": [{"sessionId": name} for name in identifiers]}


def server(name, backend="wcs_back", **changes):
    return {"name": name, "backend": backend, "status": "UP", "weight": 100, "agent_status": "L7OK", "last_agt": "via agent : up"} | changes


def fleet(nodes, **changes):
    """What was seen of a balancer and its nodes, all of it good unless something else is said."""
    balancer = {
        "wcs_verify_agents": {"results": [{"item": name} for name in nodes]},
        "wcs_verify_haproxy": {"servers": [server(name) for name in nodes] + [server("wcs_web_http", "wcs_web", status="no check")]},
        "wcs_verify_visit": {"page": {"status": 200, "size": 1}, "sessions": [{"address": "198.51.100.7:50000", "answer": "getUserData"}]},
    }
    return {"lb1": balancer | changes, **{name: {"wcs_verify_node": info} for name, info in nodes.items()}}


def wrong(nodes, **changes):
    return [(row["where"], row["what"]) for row in verify_report(fleet(nodes, **changes), ["lb1"], list(nodes), FORGED) if not row["ok"]]


def test_all_is_well():
    assert wrong({"wcs1": node(OURS), "wcs2": node(OURS)}) == []


def test_a_node_that_nobody_was_sent_to_is_as_good():
    assert wrong({"wcs1": node(OURS), "wcs2": node(websockets=0) | {"failed": True, "msg": "retries"}}) == []


def test_servers_of_every_pool_are_looked_at():
    servers = {"servers": [server("wcs1", "wcs_back_edges", status="DOWN")]}
    assert wrong({"wcs1": node(OURS)}, wcs_verify_haproxy=servers) == [("lb1 -> wcs1", "view of HAProxy")]


TROUBLE = {
    "no node": ({"wcs_verify_haproxy": {"servers": []}}, node(OURS), ("lb1", "HAProxy")),
    "no haproxy": ({"wcs_verify_haproxy": {"failed": True, "msg": "gone"}}, node(OURS), ("lb1", "HAProxy")),
    "an agent that is down": (
        {"wcs_verify_agents": {"results": [{"item": "wcs1", "failed": True, "msg": "x"}]}},
        node(OURS),
        ("lb1 -> wcs1", "reply of the agent"),
    ),
    "a node that does not tell": ({}, node(OURS) | {"statistics": {}}, ("wcs1", "statistics")),
    "a forged address that is believed": ({}, node(OURS, f"/{FORGED}:6/192.0.2.11:8080-2"), ("wcs1", "address of the client in sessionId")),
    "sessions of others alone": ({}, node("/203.0.113.1:1/192.0.2.11:8080-3"), ("all nodes", "sessions of the visit")),
}


@pytest.mark.parametrize(("changes", "info", "named"), TROUBLE.values(), ids=TROUBLE)
def test_trouble_is_named(changes, info, named):
    assert named in wrong({"wcs1": info}, **changes)


def test_a_node_that_does_not_answer():
    assert ("wcs1", "statistics and sessions") in wrong({"wcs1": {"failed": True, "msg": "refused"}})
