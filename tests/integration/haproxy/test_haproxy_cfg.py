# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rendered haproxy.cfg: accepted by the real haproxy without a warning, and saying what it should."""

from __future__ import annotations

import re

import pytest
from ansible_collections.webcallserver.balancer.tests.support.haproxy_lb import run

NODES = {f"node{number}": {"ansible_host": f"10.0.{number // 250}.{number % 250 + 1}"} for number in range(1000)}
POOLED = {name: {"wcs_node_address": f"192.0.2.{number}"} for number, name in enumerate(("origin1", "edge1", "edge2", "spare1"), start=1)}
POOLS = [
    {"name": "publish", "group": "origins", "hosts": ["publish.example.com", "p.example.com"], "fallback": ["default", "view"]},
    {"name": "view", "group": "edges", "paths": ["/", "/view/"], "ports": [8443], "stickiness": "source", "balance": "random", "fallback": ["default"]},
]

ACCEPTED = {
    "plain": {},
    "leastconn": {"haproxy_lb_balance": "leastconn", "hosts": {"wcs1": {"wcs_node_address": "192.0.2.11", "wcs_node_agent_graded": False}}},
    "first": {"haproxy_lb_balance": "first"},
    "source": {"haproxy_lb_balance": "source"},
    "random": {"haproxy_lb_balance": "random"},
    "hash of a header": {"haproxy_lb_balance": "hash", "haproxy_lb_hash": "header:X-Room"},
    "hash of a parameter": {"haproxy_lb_balance": "hash", "haproxy_lb_hash": "parameter:room"},
    "hash of the path": {"haproxy_lb_balance": "hash"},
    "cookie": {"haproxy_lb_stickiness": "cookie"},
    "by source": {"haproxy_lb_stickiness": "source"},
    "by header": {"haproxy_lb_stickiness": "header:X-User"},
    "TCP check": {"haproxy_lb_check": "tcp"},
    "pools": {"hosts": POOLED, "haproxy_lb_pools": POOLS},
    "no redirect": {"haproxy_lb_redirect": False},
    "HTTP/2": {"haproxy_lb_http2": True},
    "one address": {"haproxy_lb_bind": ["192.0.2.1"]},
    "IPv6 node": {"hosts": {"wcs1": {"wcs_node_address": "2001:db8::11"}}},
    "node without agent": {"haproxy_lb_servers": [{"name": "a", "address": "192.0.2.1", "agent_port": 0}]},
    "origins": {"haproxy_lb_origins": [f"https://www{number}.example.com" for number in range(100)]},
    "limits": {"haproxy_lb_source_sessions": 10, "haproxy_lb_source_rate": 20},
    "PROXY protocol": {"haproxy_lb_proxies": [f"192.0.2.{number}" for number in range(100)] + ["2001:db8::/32"]},
    "forwarded for": {"haproxy_lb_proxies": ["192.0.2.1"], "haproxy_lb_proxies_protocol": "x_forwarded_for"},
    "HSTS": {"haproxy_lb_hsts_max_age": 63072000},
    "RSA beside ECDSA": {"haproxy_lb_extra_certificates": [{"name": "rsa", "certificate": "", "chain": "", "private_key": ""}]},
    "1000 nodes": {"hosts": NODES},
}


@pytest.mark.parametrize("variables", ACCEPTED.values(), ids=ACCEPTED)
def test_haproxy_accepts_it_without_a_warning(config, variables):
    done = run("-c", "-f", str(config(**variables)))
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "WARNING" not in said and "ALERT" not in said


def test_a_node_whose_name_does_not_resolve_stops_nobody(config):
    done = run("-c", "-f", str(config(hosts={"wcs1": {"wcs_node_address": "no-such-host.invalid"}})))
    assert done.returncode == 0, done.stderr


def test_haproxy_refuses_what_the_how_to_wrote(config):
    """The check above would be worth nothing if it passed everything."""
    path = config()
    path.write_text(path.read_text(encoding="utf-8").replace("balance roundrobin", "balance round robin"), encoding="utf-8")
    done = run("-c", "-f", str(path))
    assert done.returncode == 1
    assert "roundrobin" in done.stdout + done.stderr


def lines(text, section):
    """The lines of one section, without comments and indentation."""
    body = re.search(rf"(?m)^{section}\n((?:[ ].*\n|\n)*)", text)[1]
    return [line.strip() for line in body.splitlines() if line.strip() and not line.strip().startswith("#")]


def servers(text):
    return [line for line in lines(text, "backend wcs_back") if line.startswith("server ")]


def test_servers_come_from_the_inventory(render):
    hosts = {
        "wcs1": {"ansible_host": "192.0.2.11", "haproxy_lb_maxconn": 500},
        "wcs2": {"wcs_node_address": "2001:db8::12", "haproxy_lb_maxconn": 1000, "wcs_node_ws_port": 8443, "wcs_node_http_port": 9081},
        "wcs3.example.com": {"haproxy_lb_weight": 7, "haproxy_lb_maxconn": 500, "wcs_node_agent_port": 9999},
    }
    assert servers(render("haproxy.cfg.j2", hosts=hosts)) == [
        "server wcs1 192.0.2.11:8080 weight 100 maxconn 500 check port 8081 agent-check agent-port 9707",
        "server wcs2 [2001:db8::12]:8443 weight 200 maxconn 1000 check port 9081 agent-check agent-port 9707",
        "server wcs3.example.com wcs3.example.com:8080 weight 7 maxconn 500 check port 8081 agent-check agent-port 9999"
        " resolvers host init-addr last,libc,none",
    ]


def test_servers_spelled_out_stand_in_place_of_the_group(render):
    spelled = [{"name": "a", "address": "192.0.2.1"}, {"name": "b", "address": "192.0.2.2", "agent_port": 0}]
    assert servers(render("haproxy.cfg.j2", haproxy_lb_servers=spelled)) == [
        "server a 192.0.2.1:8080 weight 100 maxconn 4000 check port 8081 agent-check agent-port 9707",
        "server b 192.0.2.2:8080 weight 100 maxconn 4000 check port 8081",
    ]


def test_every_server_has_a_cookie_of_its_own(render):
    text = render("haproxy.cfg.j2", haproxy_lb_stickiness="cookie")
    assert [line.rpartition(" cookie ")[2] for line in servers(text)] == ["wcs1", "wcs2"]
    assert 'cookie SERVERID insert indirect nocache httponly secure attr "SameSite=None"' in lines(text, "backend wcs_back")


def test_without_stickiness_there_is_no_cookie(render):
    assert "cookie" not in render("haproxy.cfg.j2")


def test_source_keeps_the_weights_of_the_agents(render):
    """A static hash takes nothing but 0 and 100 percent from an agent."""
    assert "hash-type consistent" in lines(render("haproxy.cfg.j2", haproxy_lb_balance="source"), "backend wcs_back")


def milliseconds(text):
    number, unit = re.fullmatch(r"(\d+)(ms|s)", text).groups()
    return int(number) * {"ms": 1, "s": 1000}[unit]


def test_the_agent_is_heard_before_health_alone_raises_a_server(render):
    line = next(line for line in lines(render("haproxy.cfg.j2"), "backend wcs_back") if line.startswith("default-server"))
    words = line.split()
    value = {word: words[position + 1] for position, word in enumerate(words[:-1])}
    shortest = min(milliseconds(value[word]) for word in ("inter", "fastinter", "downinter"))
    assert (int(value["rise"]) - 1) * shortest > 2 * milliseconds(value["agent-inter"])


def test_a_down_of_the_agent_leaves_live_sessions_alone(render):
    assert "shutdown-sessions" not in render("haproxy.cfg.j2")


def test_requests_are_repeated_only_towards_the_nodes(render):
    text = render("haproxy.cfg.j2")
    assert "retry-on conn-failure empty-response response-timeout" in lines(text, "backend wcs_back")
    assert text.count("retry-on") == 1


RELEASES = {
    "HA-Proxy version 2.2.9-2+deb11u6 2023/12/23 - https://haproxy.org/": (False, False, True),
    "HAProxy version 2.4.22-0ubuntu0.22.04.3 2023/08/14 - https://haproxy.org/": (True, False, False),
    "HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/": (True, True, False),
    "HAProxy version 3.0.11-1+deb13u3 2026/05/20 - https://haproxy.org/": (True, True, False),
    "": (True, True, False),
}


@pytest.mark.parametrize(("said", "expected"), RELEASES.items(), ids=[said[:22] or "none yet" for said in RELEASES])
def test_the_file_fits_the_release(render, said, expected):
    text = render("haproxy.cfg.j2", __haproxy_lb_version={"stdout": said})
    assert ("proto h1" in text, "fd-hard-limit 65536" in text, "fc_http_major 2" in text) == expected


def test_a_check_before_the_first_run_needs_no_binary(render):
    assert "fd-hard-limit" in render("haproxy.cfg.j2", __haproxy_lb_version={"msg": "[Errno 2] No such file or directory: b'haproxy'", "rc": 2})


def test_the_unit_checks_the_file_before_it_reloads(render):
    text = render("unit.conf.j2")
    commands = [line.partition("=")[2] for line in text.splitlines() if line.startswith("ExecReload=")]
    assert commands[0] == ""
    assert [command.split()[0] for command in commands[1:]] == ["/usr/sbin/haproxy", "/usr/bin/python3"]
    assert "LimitNOFILE=65536" in text.splitlines()


def test_descriptors_follow_the_capacity_of_the_nodes(render):
    hosts = {f"wcs{number}": {"wcs_node_address": f"192.0.2.{number}"} for number in range(1, 11)}
    assert "LimitNOFILE=131072" in render("unit.conf.j2", hosts=hosts).splitlines()


def test_pools_are_tried_in_their_order(render):
    text = render("haproxy.cfg.j2", hosts=POOLED, haproxy_lb_pools=POOLS)
    assert [line for line in lines(text, "frontend wcs-balancer") if line.startswith("use_backend")] == [
        "use_backend wcs_back_publish if is_websocket wcs_back_publish_host { be_conn_free(wcs_back_publish) gt 0 }",
        "use_backend wcs_back if is_websocket wcs_back_publish_host { be_conn_free(wcs_back) gt 0 }",
        "use_backend wcs_back_view if is_websocket wcs_back_publish_host { be_conn_free(wcs_back_view) gt 0 }",
        "use_backend wcs_back_publish if is_websocket wcs_back_publish_host",
        "use_backend wcs_back_view if is_websocket wcs_back_view_path wcs_back_view_port { be_conn_free(wcs_back_view) gt 0 }",
        "use_backend wcs_back if is_websocket wcs_back_view_path wcs_back_view_port { be_conn_free(wcs_back) gt 0 }",
        "use_backend wcs_back_view if is_websocket wcs_back_view_path wcs_back_view_port",
        "use_backend wcs_back if is_websocket",
    ]
    assert [line.split()[1] for line in servers(text)] == ["spare1"]


def test_the_ports_of_pools_speak_tls(render):
    text = render("haproxy.cfg.j2", hosts=POOLED, haproxy_lb_pools=POOLS)
    binds = [line.split()[1:] for line in lines(text, "frontend wcs-balancer") if line.startswith("bind")]
    assert [bind[0] for bind in binds] == ["0.0.0.0:443", "[::]:443", "0.0.0.0:8443", "[::]:8443"]
    assert all("ssl" in bind for bind in binds)
