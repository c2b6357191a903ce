# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A table of ports becomes rules; what is wrong with the table is said in one sentence."""

from __future__ import annotations

import ipaddress

import pytest
from ansible_collections.webcallserver.balancer.plugins.plugin_utils.firewall import firewall_plan, port_rules
from hypothesis import given
from hypothesis import strategies as st

NETWORKS = {"balancers": ["192.0.2.10", "2001:db8::10"], "admins": ["198.51.100.0/24"], "peers": []}


def row(name, port, *who, **more):
    return {"name": name, "port": port, "from": list(who)} | more


def rule(action, protocol, ports, family="any", networks=()):
    return {"action": action, "protocol": protocol, "family": family, "networks": list(networks), "ports": ports.split()}


V4 = ("ipv4", ["192.0.2.10/32"])
V6 = ("ipv6", ["2001:db8::10/128"])

TABLES = {
    "nothing": ([], {}, []),
    "everyone": ([row("media", "31001-32000", "everyone", protocol="udp")], {}, [rule("accept", "udp", "31001-32000")]),
    "both protocols": (
        [row("media", "31001-32000", "everyone", protocol="both")],
        {},
        [rule("accept", "tcp", "31001-32000"), rule("accept", "udp", "31001-32000")],
    ),
    "nobody": ([row("jmx", 50999, "nobody")], {}, [rule("drop", "tcp", "50999")]),
    "nobody, not as a list": ([{"name": "jmx", "port": 50999, "from": "nobody"}], {}, [rule("drop", "tcp", "50999")]),
    "balancers of both families": (
        [row("ws", 8080, "balancers")],
        {},
        [rule("accept", "tcp", "8080", *V4), rule("accept", "tcp", "8080", *V6), rule("drop", "tcp", "8080")],
    ),
    "a name without networks is nobody": ([row("cdn", 8084, "peers")], {}, [rule("drop", "tcp", "8084")]),
    "a network spelled out": (
        [row("rtmp", 1935, "203.0.113.0/24")],
        {},
        [rule("accept", "tcp", "1935", "ipv4", ["203.0.113.0/24"]), rule("drop", "tcp", "1935")],
    ),
    "rows for the same networks are one rule, ports in order": (
        [row("b", 8443, "admins"), row("a", 8080, "admins"), row("u", 5000, "admins", protocol="udp")],
        {},
        [
            rule("accept", "tcp", "8080 8443", "ipv4", ["198.51.100.0/24"]),
            rule("accept", "udp", "5000", "ipv4", ["198.51.100.0/24"]),
            rule("drop", "tcp", "8080 8443"),
            rule("drop", "udp", "5000"),
        ],
    ),
    "several may connect to one": (
        [row("http", 8081, "balancers", "admins")],
        {},
        [
            rule("accept", "tcp", "8081", "ipv4", ["192.0.2.10/32", "198.51.100.0/24"]),
            rule("accept", "tcp", "8081", *V6),
            rule("drop", "tcp", "8081"),
        ],
    ),
    "networks in one another are one": (
        [row("ws", 8080, "198.51.100.7", "admins")],
        {},
        [rule("accept", "tcp", "8080", "ipv4", ["198.51.100.0/24"]), rule("drop", "tcp", "8080")],
    ),
    "a change counts in place of the table": (
        [row("rtmp", 1935, "nobody")],
        {"changes": {"rtmp": ["everyone"]}},
        [rule("accept", "tcp", "1935")],
    ),
    "a property counts in place of the table": (
        [row("cdn", 8084, "nobody", properties=["cdn_port"])],
        {"properties": {"cdn_port": "9084 "}},
        [rule("drop", "tcp", "9084")],
    ),
    "properties of a range": (
        [row("media", "31001-32000", "everyone", properties=["media_port_from", "media_port_to"])],
        {"properties": {"media_port_from": "35001", "media_port_to": 36000}},
        [rule("accept", "tcp", "35001-36000")],
    ),
    "a property that is not set, or empty": (
        [row("media", "31001-32000", "everyone", properties=["media_port_from", "media_port_to"])],
        {"properties": {"media_port_from": "", "media_port_to": "31100"}},
        [rule("accept", "tcp", "31001-31100")],
    ),
    "SSH is cut out of a range": ([row("cli", "2000-2004", "nobody")], {"protected": ["22", "2002"]}, [rule("drop", "tcp", "2000-2001 2003-2004")]),
    "SSH at the ends of a range": ([row("cli", "2000-2002", "nobody")], {"protected": [2000, 2002]}, [rule("drop", "tcp", "2001")]),
    "SSH is not opened either": ([row("cli", "2000-2001", "everyone")], {"protected": [2001]}, [rule("accept", "tcp", "2000")]),
    "a row that is SSH's port": ([row("cli", 2001, "balancers")], {"protected": [2001]}, []),
    "SSH spares no UDP": ([row("cli", 2001, "nobody", protocol="udp")], {"protected": [2001]}, [rule("drop", "udp", "2001")]),
    "the same port over two protocols": (
        [row("rtmp", 1935, "everyone"), row("rtmfp", 1935, "nobody", protocol="udp")],
        {},
        [rule("accept", "tcp", "1935"), rule("drop", "udp", "1935")],
    ),
}


@pytest.mark.parametrize(("table", "options", "expected"), TABLES.values(), ids=TABLES)
def test_rules(table, options, expected):
    assert port_rules(table, NETWORKS, **options) == expected


MEDIA = row("media", "31001-32000", "everyone", properties=["media_port_from", "media_port_to"])

WRONG = {
    "no name": ([{"port": 1, "from": ["everyone"]}], {}, "wcs_node_ports: the name 'None'"),
    "one name twice": ([row("a", 1, "everyone"), row("a", 2, "everyone")], {}, "wcs_node_ports: the name 'a'"),
    "no port": ([{"name": "a", "from": ["everyone"]}], {}, "wcs_node_ports, row 'a': port or from is missing"),
    "no from": ([{"name": "a", "port": 1}], {}, "wcs_node_ports, row 'a': port or from is missing"),
    "port 0": ([row("a", 0, "everyone")], {}, "wcs_node_ports, row 'a': '0' is no port"),
    "port too high": ([row("a", 65536, "everyone")], {}, "'65536' is no port"),
    "a name for a port": ([row("a", "http", "everyone")], {}, "'http' is no port"),
    "a negative port": ([row("a", -1, "everyone")], {}, "'' is no port"),
    "range the wrong way": ([row("a", "20-10", "everyone")], {}, "the range 20-10 ends before it begins"),
    "protocol": ([row("a", 1, "everyone", protocol="sctp")], {}, "protocol is 'sctp'; give tcp, udp or both"),
    "nobody may": ([row("a", 1)], {}, "from is []; give names and networks"),
    "everyone and admins": ([row("a", 1, "everyone", "admins")], {}, "from is ['everyone', 'admins']; give names and networks"),
    "unknown name": ([row("a", 1, "friends")], {}, "from has 'friends', which is none of balancers, admins, peers, everyone, nobody"),
    "host bits": ([row("a", 1, "10.0.0.5/24")], {}, "from has '10.0.0.5/24', which is none of"),
    "change of no row": ([row("a", 1, "everyone")], {"changes": {"b": ["nobody"]}}, "wcs_node_ports_from: 'b' is no row of wcs_node_ports"),
    "change to nonsense": ([row("a", 1, "everyone")], {"changes": {"a": ["all"]}}, "wcs_node_ports_from, row 'a': from has 'all'"),
    "admins' network": ([row("a", 1, "admins")], {"networks": {"admins": ["10.0.0.5/24"]}}, "wcs_node_admin_networks: 10.0.0.5/24 has host bits"),
    "balancers' address": ([row("a", 1, "balancers")], {"networks": {"balancers": ["lb"]}}, "wcs_node_balancer_addresses: 'lb' is neither"),
    "one port in two rows": ([row("a", 8080, "everyone"), row("b", "8000-9000", "nobody")], {}, "rows 'b' and 'a' both have port 8080/tcp"),
    "media range over another port": (
        [row("ws", 8080, "everyone"), MEDIA],
        {"properties": {"media_port_from": "8000", "media_port_to": "8500"}},
        "rows 'media' and 'ws' both have port 8080/tcp",
    ),
    "media range ends before it begins": (
        [MEDIA],
        {"properties": {"media_port_from": "35001"}},
        "the range 35001-32000 (properties media_port_from and media_port_to of the node) ends before",
    ),
    "media port is no number": ([MEDIA], {"properties": {"media_port_to": "many"}}, "media_port_to in the properties of the node: 'many' is no port"),
    "another role's table": ([row("a", 0, "everyone")], {"prefix": "haproxy_lb"}, "haproxy_lb_ports, row 'a'"),
}


@pytest.mark.parametrize(("table", "options", "sentence"), WRONG.values(), ids=WRONG)
def test_one_sentence_names_the_variable(table, options, sentence):
    with pytest.raises(ValueError) as caught:
        port_rules(table, **({"networks": NETWORKS} | options))
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def verdict(rules, protocol, port, source):
    """What a firewall answers that goes through the rules in their order."""
    address = ipaddress.ip_address(source)
    for one in rules:
        from_there = not one["networks"] or any(address in ipaddress.ip_network(network) for network in one["networks"])
        family = one["family"] in ("any", f"ipv{address.version}")
        spans = [[int(end) for end in (span.split("-") * 2)[:2]] for span in one["ports"]]
        if one["protocol"] == protocol and family and from_there and any(first <= port <= last for first, last in [(s[0], s[-1]) for s in spans]):
            return one["action"]
    return "untouched"


WHO = st.sampled_from([["everyone"], ["nobody"], ["balancers"], ["admins"], ["balancers", "admins"], ["peers"]])


@given(
    cuts=st.lists(st.integers(1, 60), min_size=2, max_size=12, unique=True),
    who=st.lists(WHO, min_size=6, max_size=6),
    protocols=st.lists(st.sampled_from(["tcp", "udp", "both"]), min_size=6, max_size=6),
    protected=st.sets(st.integers(1, 60), max_size=3),
)
def test_rules_say_what_the_table_says(cuts, who, protocols, protected):
    ends = sorted(cuts)[: len(cuts) // 2 * 2]
    table = [row(str(number), f"{ends[2 * number]}-{ends[2 * number + 1]}", *who[number], protocol=protocols[number]) for number in range(len(ends) // 2)]
    rules = port_rules(table, NETWORKS, protected=protected)
    for source, names in {"192.0.2.10": ["balancers"], "2001:db8::10": ["balancers"], "198.51.100.9": ["admins"], "203.0.113.1": []}.items():
        for protocol in ("tcp", "udp"):
            for port in range(1, 62):
                mine = [entry for entry in table if entry["protocol"] in (protocol, "both") and ends_of(entry)[0] <= port <= ends_of(entry)[1]]
                if not mine or (protocol == "tcp" and port in protected):
                    expected = "untouched"
                else:
                    expected = "accept" if set(mine[0]["from"]) & {"everyone", *names} else "drop"
                assert verdict(rules, protocol, port, source) == expected


def ends_of(entry):
    return [int(end) for end in entry["port"].split("-")]


WANTED = {
    "role": "wcs_node",
    "firewall": "auto",
    "without": "nftables",
    "table": [{"name": "ws", "port": 8080, "from": ["balancers"]}],
    "networks": {"balancers": ["192.0.2.10"]},
    "changes": {},
    "properties": {},
}
DIGEST = firewall_plan([], WANTED)["digest"]


@pytest.mark.parametrize(
    ("lines", "changed", "expected"),
    [
        ([], {}, {"firewall": "nftables", "in_force": False, "touched": [], "has_nft": False, "problem": ""}),
        ([], {"without": "none"}, {"firewall": "none", "problem": ""}),
        (["active ufw", "has nft", "family ipv4"], {}, {"firewall": "ufw", "has_nft": True, "families": ["ipv4"], "problem": ""}),
        (["active ufw"], {"firewall": "nftables"}, {"firewall": "nftables", "problem": ""}),
        ([f"live wcs_node nftables {DIGEST}"], {}, {"in_force": True}),
        ([f"live wcs_node nftables {DIGEST}", "live wcs_node nftables some"], {}, {"in_force": False}),
        (["live wcs_node nftables 0123456789abcdef"], {}, {"in_force": False}),
        ([f"live haproxy_lb nftables {DIGEST}"], {}, {"in_force": False}),
        ([f"live wcs_node ufw {DIGEST}"], {}, {"in_force": False}),
        (["touched wcs_node ufw", "touched haproxy_lb nftables"], {}, {"touched": ["ufw"]}),
        (["", "nonsense", "live", "active ufw firewalld"], {}, {"firewall": "nftables", "active": []}),
    ],
)
def test_what_a_look_at_a_host_means(lines, changed, expected):
    plan = firewall_plan(lines, WANTED | changed)
    assert {key: plan[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("lines", "changed", "sentence"),
    [
        ([], {"firewall": "firewalld"}, "wcs_node_firewall is firewalld, but firewalld is not active on this host"),
        (["active ufw"], {"firewall": "firewalld", "role": "haproxy_lb"}, "or set haproxy_lb_firewall to auto."),
        ([], {"changes": {"wss": ["everyone"]}}, "wcs_node_ports_from: 'wss' is no row of wcs_node_ports; its rows are ws."),
        ([], {"networks": {"balancers": ["::1%x"]}}, "wcs_node_balancer_addresses"),
    ],
)
def test_what_cannot_work_is_one_sentence(lines, changed, sentence):
    problem = firewall_plan(lines, WANTED | changed)["problem"]
    assert sentence in problem and problem.endswith(".") and problem.count("\n") == 0


def test_the_ports_of_ssh_are_in_no_rule():
    plan = firewall_plan(["ssh 8080"], WANTED)
    assert plan["rules"] == [] and plan["digest"] != DIGEST
