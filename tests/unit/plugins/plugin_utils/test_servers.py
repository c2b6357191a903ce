# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts become servers; what is wrong with one is said in one sentence."""

from __future__ import annotations

import pytest
from ansible_collections.webcallserver.balancer.plugins.plugin_utils.servers import servers_of
from hypothesis import given
from hypothesis import strategies as st

PLAIN = {"port": 8080, "check_port": 8081, "agent_port": 9707, "maxconn": 4000, "weight": 100, "graded": True}


def server(name, address, **different):
    return {"name": name, "address": address} | PLAIN | different


HOSTS = {
    "address of its own": ({"a": {"wcs_node_address": "10.0.0.1", "ansible_host": "192.0.2.1"}}, [server("a", "10.0.0.1")]),
    "address of the connection": ({"a": {"ansible_host": "192.0.2.1"}}, [server("a", "192.0.2.1")]),
    "name alone": ({"a.example.com": {}}, [server("a.example.com", "a.example.com")]),
    "empty means unset": ({"a": {"wcs_node_address": "", "ansible_host": "192.0.2.1"}}, [server("a", "192.0.2.1")]),
    "IPv6": ({"a": {"ansible_host": "2001:DB8:0::1"}}, [server("a", "[2001:db8::1]")]),
    "IPv6 in brackets": ({"a": {"ansible_host": "[2001:db8::1]"}}, [server("a", "[2001:db8::1]")]),
    "ports": (
        {"a": {"wcs_node_ws_port": 1, "wcs_node_http_port": "2", "wcs_node_agent_port": 3}},
        [server("a", "a", port=1, check_port=2, agent_port=3)],
    ),
    "weight and maxconn": ({"a": {"haproxy_lb_weight": 0, "haproxy_lb_maxconn": "10"}}, [server("a", "a", weight=0, maxconn=10)]),
    "agent that does not grade": ({"a": {"wcs_node_agent_graded": "no"}}, [server("a", "a", graded=False)]),
    "no agent": ({"a": {"wcs_node_agent_port": 0}}, [server("a", "a", agent_port=0, graded=False)]),
    "weights follow maxconn": (
        {"a": {"haproxy_lb_maxconn": 500}, "b": {"haproxy_lb_maxconn": 1250}},
        [server("a", "a", maxconn=500, weight=100), server("b", "b", maxconn=1250, weight=250)],
    ),
    "weights end at 256": (
        {"a": {"haproxy_lb_maxconn": 100}, "b": {"haproxy_lb_maxconn": 800}},
        [server("a", "a", maxconn=100, weight=32), server("b", "b", maxconn=800, weight=256)],
    ),
    "a chosen weight leaves the others alone": (
        {"a": {"haproxy_lb_weight": 1}, "b": {}},
        [server("a", "a", weight=1), server("b", "b")],
    ),
}


@pytest.mark.parametrize(("hostvars", "expected"), HOSTS.values(), ids=HOSTS)
def test_inventory_hosts(hostvars, expected):
    assert servers_of(list(hostvars), hostvars) == expected


def test_servers_spelled_out():
    entries = [{"name": "a", "address": "192.0.2.1"}, {"name": "b", "address": "b.example.com", "port": 1, "maxconn": 8000, "agent_port": 0}]
    assert servers_of(entries) == [
        server("a", "192.0.2.1", graded=False),
        server("b", "b.example.com", port=1, maxconn=8000, agent_port=0, weight=200, graded=False),
    ]


def test_the_default_of_maxconn_is_given():
    assert servers_of(["a"], {"a": {}}, 70)[0]["maxconn"] == 70


def test_no_hosts_no_servers():
    assert servers_of([], {}) == []


REFUSED = {
    "no name": ([{"address": "192.0.2.1"}], {}, "haproxy_lb_servers: server 1 has no name"),
    "no address": ([{"name": "a"}], {}, "haproxy_lb_servers: server 1 has no address"),
    "unknown key": ([{"name": "a", "address": "b", "wieght": 1}], {}, "unknown key 'wieght'"),
    "name": (["a b"], {"a b": {}}, "the name of a host in the inventory: 'a b' cannot be used"),
    "same name": ([{"name": "a", "address": "b"}, {"name": "a", "address": "c"}], {}, "the name a in common"),
    "same address": (["a", "b"], {"a": {"ansible_host": "192.0.2.1"}, "b": {"ansible_host": "192.0.2.1"}}, "192.0.2.1:8080 in common"),
    "bad IPv4": (["a"], {"a": {"wcs_node_address": "192.0.2.256"}}, "wcs_node_address of host 'a': '192.0.2.256'"),
    "bad IPv6": (["a"], {"a": {"wcs_node_address": "2001:db8:::1"}}, "wcs_node_address of host 'a'"),
    "address with a port": (["a"], {"a": {"wcs_node_address": "192.0.2.1:8080"}}, "neither an IPv4 nor an IPv6 address"),
    "line break": (["a"], {"a": {"wcs_node_address": "b\nserver c"}}, "neither an address nor the name of a host"),
    "port 0": (["a"], {"a": {"wcs_node_ws_port": 0}}, "wcs_node_ws_port of host 'a': '0' is no whole number from 1 to 65535"),
    "port of text": (["a"], {"a": {"wcs_node_http_port": "http"}}, "wcs_node_http_port of host 'a'"),
    "agent port": (["a"], {"a": {"wcs_node_agent_port": 65536}}, "wcs_node_agent_port of host 'a'"),
    "weight": (["a"], {"a": {"haproxy_lb_weight": 257}}, "haproxy_lb_weight of host 'a': '257' is no whole number from 0 to 256"),
    "negative": (["a"], {"a": {"haproxy_lb_maxconn": -1}}, "haproxy_lb_maxconn of host 'a'"),
    "maxconn 0": (["a"], {"a": {"haproxy_lb_maxconn": 0}}, "haproxy_lb_maxconn of host 'a'"),
    "true": (["a"], {"a": {"haproxy_lb_maxconn": True}}, "haproxy_lb_maxconn of host 'a'"),
}


@pytest.mark.parametrize(("entries", "hostvars", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(entries, hostvars, message):
    with pytest.raises(ValueError) as caught:
        servers_of(entries, hostvars)
    assert message in str(caught.value)


@given(st.lists(st.integers(1, 1_000_000), min_size=1, max_size=50))
def test_weights_stay_in_bounds_and_in_order(sizes):
    hostvars = {f"n{position}": {"haproxy_lb_maxconn": size} for position, size in enumerate(sizes)}
    servers = servers_of(list(hostvars), hostvars)
    assert all(1 <= item["weight"] <= 256 for item in servers)
    ordered = sorted(servers, key=lambda item: item["maxconn"])
    assert [item["weight"] for item in ordered] == sorted(item["weight"] for item in servers)
