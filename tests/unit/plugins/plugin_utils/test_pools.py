# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools become backends and the rules that lead to them; what is wrong with one is said in one sentence."""

from __future__ import annotations

import pytest
from ansible_collections.webcallserver.balancer.plugins.plugin_utils.pools import Facts, pools_of

ORIGIN, EDGE = {"wcs_node_cdn_role": "origin"}, {"wcs_node_cdn_role": "edge"}
HOSTVARS = {"o1": ORIGIN, "e1": EDGE, "e2": EDGE, "n1": {}}
GROUPS = {"nodes": list(HOSTVARS), "origins": ["o1"], "edges": ["e1", "e2"], "all_but_n1": ["o1", "e1", "e2"], "empty": [], "plain": ["n1"]}
PLAIN = {
    "group": "nodes",
    "servers": [],
    "balance": "roundrobin",
    "hash": "path",
    "stickiness": "none",
    "check": "http",
    "check_uri": "/?action=stat",
    "maxconn": 4000,
}
EDGES = {"name": "edges", "group": "edges", "paths": ["/view"]}


def shaped(*pools, facts=Facts(), **different):  # noqa: B008
    return {pool["name"]: pool for pool in pools_of(pools, HOSTVARS, GROUPS, PLAIN | different, facts)}


def names(pool):
    return [server["name"] for server in pool["servers"]]


def test_without_pools_there_is_the_default_pool():
    assert shaped() == {
        "default": {
            "name": "default",
            "backend": "wcs_back",
            "ports": [],
            "hosts": [],
            "acls": [],
            "rules": ["use_backend wcs_back if is_websocket"],
            "policy": [
                "balance roundrobin",
                "option httpchk",
                "http-check send meth GET uri /?action=stat ver HTTP/1.1 hdr Host wcs",
                "http-check expect status 200",
            ],
            "servers": shaped()["default"]["servers"],
        }
    }
    assert names(shaped()["default"]) == ["o1", "e1", "e2", "n1"]
    assert (
        shaped()["default"]["servers"][0]["line"]
        == "server o1 o1:8080 weight 100 maxconn 4000 check port 8081 agent-check agent-port 9707 resolvers host init-addr last,libc,none"
    )


def test_nobody_is_no_pool():
    assert shaped(group="empty") == {}
    assert shaped(group="nobody") == {}


def test_the_default_pool_has_whom_no_pool_names():
    pools = shaped(EDGES)
    assert {name: names(pool) for name, pool in pools.items()} == {"edges": ["e1", "e2"], "default": ["o1", "n1"]}
    assert pools["edges"]["backend"] == "wcs_back_edges"


def test_without_a_default_pool_the_last_one_takes_the_rest():
    pools = shaped({"name": "plain", "group": "plain", "paths": ["/n"]}, {"name": "rest", "group": "all_but_n1", "paths": ["/x"]})
    assert list(pools) == ["plain", "rest"]
    assert (pools["rest"]["acls"], pools["rest"]["rules"]) == ([], ["use_backend wcs_back_rest if is_websocket"])


MATCHES = {
    "path": ({"paths": ["/view"]}, ["acl wcs_back_edges_path path /view", "acl wcs_back_edges_path path_beg /view/"], "wcs_back_edges_path"),
    "path with a slash": ({"paths": ["/view/"]}, ["acl wcs_back_edges_path path /view", "acl wcs_back_edges_path path_beg /view/"], "wcs_back_edges_path"),
    "every path": ({"paths": ["/"]}, ["acl wcs_back_edges_path path_beg /"], "wcs_back_edges_path"),
    "host": ({"hosts": ["v.example.com"]}, ["acl wcs_back_edges_host req.fhdr(Host),field(1,:) -i v.example.com"], "wcs_back_edges_host"),
    "port and host": (
        {"hosts": ["a"], "ports": [8443, 8444]},
        ["acl wcs_back_edges_host req.fhdr(Host),field(1,:) -i a", "acl wcs_back_edges_port dst_port 8443", "acl wcs_back_edges_port dst_port 8444"],
        "wcs_back_edges_host wcs_back_edges_port",
    ),
}


@pytest.mark.parametrize(("match", "acls", "condition"), MATCHES.values(), ids=MATCHES)
def test_matches(match, acls, condition):
    pool = shaped({"name": "edges", "group": "edges", **match})["edges"]
    assert (pool["acls"], pool["rules"]) == (acls, [f"use_backend wcs_back_edges if is_websocket {condition}"])


def test_a_pool_may_stand_in_alone():
    pools = shaped(EDGES | {"fallback": ["origins", "default"]}, {"name": "origins", "group": "origins"})
    assert pools["origins"]["rules"] == []
    assert [rule.split()[1] for rule in pools["edges"]["rules"]] == ["wcs_back_edges", "wcs_back_origins", "wcs_back", "wcs_back_edges"]


POLICIES = {
    "roundrobin": ({"balance": "roundrobin"}, ["balance roundrobin"]),
    "first": ({"balance": "first"}, ["balance first"]),
    "random": ({"balance": "random"}, ["balance random(2)"]),
    "source": ({"balance": "source"}, ["balance source", "hash-type consistent"]),
    "path": ({"balance": "hash"}, ["balance uri", "hash-type consistent"]),
    "header": ({"balance": "hash", "hash": "header:X-Room"}, ["balance hdr(X-Room)", "hash-type consistent"]),
    "parameter": ({"balance": "hash", "hash": "parameter:room"}, ["balance url_param room", "hash-type consistent"]),
    "cookie": (
        {"stickiness": "cookie"},
        [
            "balance roundrobin",
            'cookie SERVERID_edges insert indirect nocache httponly secure attr "SameSite=None"',
            "ignore-persist if { req.cook(SERVERID_edges) e1 } { srv_conn_free(wcs_back_edges/e1) eq 0 }",
            "ignore-persist if { req.cook(SERVERID_edges) e2 } { srv_conn_free(wcs_back_edges/e2) eq 0 }",
        ],
    ),
    "by header": (
        {"stickiness": "header:X-User"},
        [
            "balance roundrobin",
            "stick-table type string len 64 size 100k expire 24h",
            "http-request set-var(txn.known) req.fhdr(X-User)",
            "http-request set-var(txn.full) bool(true) if { var(txn.known),table_server_id(wcs_back_edges) eq 1 } { srv_conn_free(wcs_back_edges/e1) eq 0 }",
            "http-request set-var(txn.full) bool(true) if { var(txn.known),table_server_id(wcs_back_edges) eq 2 } { srv_conn_free(wcs_back_edges/e2) eq 0 }",
            "stick match var(txn.known) unless { var(txn.full) -m bool }",
            "stick store-response var(txn.known) if { status 101 } !{ var(txn.full) -m bool }",
        ],
    ),
}


@pytest.mark.parametrize(("said", "policy"), POLICIES.values(), ids=POLICIES)
def test_policies(said, policy):
    assert shaped(EDGES | {"check": "tcp"} | said)["edges"]["policy"] == policy
    # Said by the plain variables, it holds for every pool
    assert shaped(EDGES | {"check": "tcp"}, **said)["edges"]["policy"] == policy


def test_server_lines():
    pool = {"name": "x", "servers": [{"name": "a", "address": "2001:db8::1", "agent_port": 0}], "ports": [8443]}
    assert shaped(pool | {"check": "tcp", "maxconn": 7})["x"]["servers"][0]["line"] == "server a [2001:db8::1]:8080 weight 100 maxconn 7 check"
    assert shaped(pool | {"stickiness": "cookie"})["x"]["servers"][0]["line"].endswith(" check port 8081 cookie a")


def test_nodes_of_the_right_role():
    assert names(shaped(EDGES | {"cdn_role": "edge"})["edges"]) == ["e1", "e2"]


REFUSED = {
    "no name": ([{"group": "edges"}], "haproxy_lb_pools: name of pool 1: ''"),
    "bad name": ([EDGES | {"name": "a b"}], "name of pool 1: 'a b' cannot be used"),
    "reserved name": ([EDGES | {"name": "default"}], "pool 1 is called 'default'"),
    "same name": ([EDGES, EDGES], "pool 2 is called 'edges'"),
    "neither": ([{"name": "x", "paths": ["/"]}], "haproxy_lb_pools: pool 'x' needs either a group or servers"),
    "both": ([EDGES | {"servers": [{"name": "a", "address": "b"}]}], "needs either a group or servers"),
    "empty group": ([EDGES | {"group": "empty"}], "group of pool 'edges' in haproxy_lb_pools: the inventory group 'empty' has no hosts"),
    "bad server": ([{"name": "x", "paths": ["/"], "servers": [{"name": "a"}]}], "servers of pool 'x' in haproxy_lb_pools: server 1 has no address"),
    "bad maxconn": ([EDGES | {"maxconn": 0}], "maxconn of pool 'edges' in haproxy_lb_pools: '0' is no whole number from 1"),
    "herding": ([EDGES | {"balance": "leastconn"}], "balance of pool 'edges' in haproxy_lb_pools is leastconn, but the agents of e1, e2 grade"),
    "no such balance": ([EDGES | {"balance": "round robin"}], "balance of pool 'edges' in haproxy_lb_pools: 'round robin' is none of roundrobin, "),
    "no such hash": ([EDGES | {"balance": "hash", "hash": "header:"}], "hash of pool 'edges' in haproxy_lb_pools: '' cannot be used; write letters"),
    "no such stickiness": ([EDGES | {"stickiness": "cookie:a"}], "stickiness of pool 'edges' in haproxy_lb_pools: 'cookie:a' is none of none, cookie, "),
    "bad page": ([EDGES | {"check_uri": "/a b"}], "check_uri of pool 'edges' in haproxy_lb_pools: '/a b' cannot be used; write a path"),
    "bad path": ([EDGES | {"paths": ["view"]}], "paths of pool 'edges' in haproxy_lb_pools: 'view' cannot be used; write a path"),
    "path with a blank": ([EDGES | {"paths": ["/a /b"]}], "'/a /b' cannot be used"),
    "bad host": (
        [EDGES | {"hosts": ["*.example.com"]}],
        "hosts of pool 'edges' in haproxy_lb_pools: '*.example.com' is neither an address nor the name of a host",
    ),
    "no such fallback": ([EDGES | {"fallback": ["origin"]}], "fallback of pool 'edges' in haproxy_lb_pools: 'origin' is no other pool that has servers"),
    "its own fallback": ([EDGES | {"fallback": ["edges"]}], "'edges' is no other pool"),
    "nothing leads there": ([EDGES | {"paths": None}], "haproxy_lb_pools: nothing leads to pool 'edges'"),
    "in two pools": ([EDGES, {"name": "x", "group": "all_but_n1", "paths": ["/"]}], "haproxy_lb_pools: e1 is in the pools 'edges' and 'x'"),
    "address in two pools": ([EDGES, {"name": "x", "servers": [{"name": "a", "address": "e1"}], "paths": ["/"]}], "e1:8080 is in the pools 'edges' and 'x'"),
    "other role": ([{"name": "x", "group": "nodes", "paths": ["/"], "cdn_role": "edge"}], "is 'edge', but wcs_node_cdn_role of host 'o1' is 'origin'"),
    "no role": ([{"name": "x", "group": "plain", "paths": ["/"], "cdn_role": "edge"}], "wcs_node_cdn_role of host 'n1' is 'none'"),
    "role unknown": ([{"name": "x", "servers": [{"name": "a", "address": "b"}], "cdn_role": "edge"}], "cdn_role of pool 'x' in haproxy_lb_pools: roles are"),
}


@pytest.mark.parametrize(("pools", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(pools, message):
    with pytest.raises(ValueError) as caught:
        shaped(*pools)
    assert message in str(caught.value)


def test_the_plain_variables_are_named_when_they_are_wrong():
    for key, value in {"balance": "round robin", "stickiness": "sticky", "check_uri": "stat"}.items():
        with pytest.raises(ValueError, match=f"^haproxy_lb_{key}: "):
            shaped(**{key: value})
    with pytest.raises(ValueError, match="^haproxy_lb_balance is leastconn, but the agents of o1, e1, e2, n1 grade"):
        shaped(balance="leastconn")
