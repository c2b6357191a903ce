# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each row takes a sound node, makes one thing wrong, and is told what."""

from __future__ import annotations

import pytest
from ansible_collections.webcallserver.balancer.plugins.plugin_utils.checks_node import node_problems

HOST = {
    "root": True,
    "units": {"webcallserver.service": {"LoadState": "loaded", "ActiveState": "active"}},
    "version": "5.2.1537",
    "java": "/usr/bin/java",
    "free": 20000,
    "addresses": ["192.0.2.11"],
    "ahead": 0,
    "descriptors": 20000,
    "prefers_ipv4": True,
    "remains": [],
    "unreadable": [],
}
MEDIA = {"name": "media", "port": "31001-32000", "protocol": "udp", "from": ["everyone"]}
OPTIONS = {
    "home": "/opt/wcs",
    "service": "webcallserver",
    "restart_seconds": 180,
    "balancers_group": "wcs_balancers",
    "agent_supervisor": "systemd",
    "ws_port": 8080,
    "http_port": 8081,
    "agent_limits": {"publishers": 100, "subscribers": 100, "media-ports-free": 10},
    "agent_bandwidth": {"in": "", "out": "", "mbps": 1},
    "admin_networks": [],
    "agent_networks": [],
    "ports_from": {},
    "firewall": "auto",
    "properties": {},
}
PLAN = {
    "balancers": ["192.0.2.10/32"],
    "peers": [],
    "address": "192.0.2.11",
    "domains": ["balancer.example.com"],
    "needed": {"ws.map_custom_headers": True, "ws.ip_forward_header": "X-Client-IP"},
    "maxconn": 4000,
    "cdn": False,
    "problems": [],
}
NODE = {"agent": {}, "table": [MEDIA], "python": "3.9.2", "family": "Debian", "release": "11", "agent_python": "3.9.2"}


def problems(host=(), unit=(), options=(), plan=(), properties=(), file=None, **changed):
    seen = HOST | {"units": {"webcallserver.service": HOST["units"]["webcallserver.service"] | dict(unit)}} | dict(host)
    wanted = dict(options).get("properties", {})
    effective = PLAN["needed"] | dict(properties) | wanted
    return node_problems(seen, NODE | {"options": OPTIONS | dict(options), "plan": PLAN | dict(plan), "file": file or {"effective": effective}} | changed)


SOUND = {
    "as it should be": {},
    "blanks and words of its own": {"properties": {"ws.port": " 8080 ", "allow_domains": "*.example.com"}},
    "what is needed said again": {"options": {"properties": {"ws.map_custom_headers": "true"}}},
    "behind NAT": {"properties": {"ip": "198.51.100.1", "ip_local": "192.0.2.11"}},
    "any address": {"properties": {"ip": "0.0.0.0", "ip_local": "0.0.0.0"}},
    "no firewall": {"options": {"firewall": "none"}, "table": []},
    "xinetd": {"options": {"agent_supervisor": "xinetd"}},
    "xinetd while there was one": {"options": {"agent_supervisor": "xinetd"}, "family": "RedHat", "release": "8"},
    "media in two rows": {"table": [MEDIA | {"port": "31001-31500"}, MEDIA | {"name": "more", "port": "31501-32000"}]},
    "stopped, with Java": {"unit": {"ActiveState": "inactive"}},
    "running, with a Java of its own": {"host": {"java": ""}},
    "a version that nobody knows": {"host": {"version": ""}},
    "every port in use": {"properties": {"compact_media_port_usage": "true"}, "options": {"agent_limits": {"subscribers": 999}}},
    "the balancer before the others": {"properties": {"allow_domains": "balancer.example.com,!*.example.com"}},
    "as many sessions as descriptors": {"plan": {"maxconn": 20000}},
    "descriptors that nobody knows": {"host": {"descriptors": 0}, "plan": {"maxconn": 90000}},
    "IPv6 with a Java that listens there": {"host": {"prefers_ipv4": False}, "plan": {"address": "2001:db8::11", "balancers": ["2001:db8::10/128"]}},
    "IPv6 with a balancer in both": {"host": {"prefers_ipv4": False}, "plan": {"address": "2001:db8::11", "balancers": ["192.0.2.10/32", "2001:db8::10/128"]}},
    "an agent with settings": {"agent": {"port": 9707, "bind": "::", "networks": ["192.0.2.10/32"], "limits": {"cpu": 90.0}}},
    "a name": {"plan": {"address": ""}},
    "in the CDN with its own address": {"properties": {"cdn_enabled": "true", "cdn_ip": "192.0.2.11", "allow_domains": "*.example.com, 192.0.2.11"}},
}


@pytest.mark.parametrize("changed", SOUND.values(), ids=SOUND)
def test_a_sound_node_has_no_problem(changed):
    assert problems(**changed) == []


WRONG = {
    "no WCS": ({"file": {"msg": "/opt/wcs/conf/flashphoner.properties does not exist: install"}}, "wcs_node_home"),
    "no service": ({"unit": {"LoadState": "not-found", "ActiveState": "inactive"}}, "wcs_node_service"),
    "nothing to run it with": ({"unit": {"ActiveState": "failed"}, "host": {"java": ""}}, "Java to run it with"),
    "a unit that is masked": ({"unit": {"LoadState": "masked", "ActiveState": "inactive"}}, "systemctl unmask webcallserver"),
    "a file that cannot be changed": ({"file": {"msg": "/opt/wcs/x cannot be written: Read-only file system: mount it."}}, "Read-only file system"),
    "a version that is no file": ({"host": {"unreadable": ["/opt/wcs/conf/WCS.version: it is not a regular file."]}}, "WCS.version"),
    "fewer descriptors than sessions": ({"plan": {"maxconn": 24000}}, "raise WCS_FD_LIMIT"),
    "IPv6 with a Java that does not listen there": (
        {"plan": {"address": "2001:db8::11", "balancers": ["2001:db8::10/128"]}},
        "wcs_node_address is 2001:db8::11",
    ),
    "IPv6 with a balancer in IPv4": ({"host": {"prefers_ipv4": False}, "plan": {"address": "2001:db8::11"}}, "come from 192.0.2.10/32 alone"),
    "IPv4 with a balancer in IPv6": ({"plan": {"balancers": ["2001:db8::10/128"]}}, "come from 2001:db8::10/128 alone"),
    "an inventory without sense": ({"plan": {"problems": ["wcs_node_cdn_role: 'edge1' is an edge."]}}, "'edge1' is an edge"),
    "ports without sense": ({"table": [MEDIA, MEDIA | {"name": "x", "port": "31005"}]}, "rows 'media' and 'x' both have port"),
    "a port that is none": ({"options": {"ws_port": 0}, "properties": {"ws.port": "x"}}, "wcs_node_ws_port is 0: give"),
    "no time to wait": ({"options": {"restart_seconds": 0}}, "wcs_node_restart_seconds is 0"),
    "nowhere to listen": ({"agent": {"bind": "nonsense"}}, "wcs_node_agent_bind"),
    "a port of the agent that is none": ({"agent": {"port": 99999}}, "wcs_node_agent_port"),
    "statistics under a name": ({"agent": {"statistics": {"address": "localhost"}}}, "wcs_node_agent_statistics.address"),
    "an address that goes on": ({"agent": {"statistics": {"address": "127.0.0.1\nExecStartPre=+/bin/sh"}}}, "wcs_node_agent_statistics.address"),
    "a page without a slash": ({"agent": {"statistics": {"path": "stat"}}}, "wcs_node_agent_statistics.path"),
    "patience without sense": ({"agent": {"statistics": {"timeout": 5}}}, "wcs_node_agent_statistics.timeout"),
    "a limit below nothing": ({"agent": {"limits": {"cpu": -5}}}, "wcs_node_agent_limits.cpu"),
    "a limit that nobody knows": ({"agent": {"limits": {"gpu": 5}}}, "wcs_node_agent_limits.gpu"),
    "a margin without sense": ({"agent": {"hysteresis": {"margin": 500}}}, "wcs_node_agent_hysteresis.margin"),
    "seconds without end": ({"agent": {"ready_seconds": 99999}}, "wcs_node_agent_ready_seconds"),
    "a network that goes on": ({"agent": {"networks": ["192.0.2.1\n"]}}, "wcs_node_agent_"),
    "an old WCS": ({"host": {"version": "5.1.3"}}, "5.2 or later"),
    "a full disk": ({"host": {"free": 12}}, "12 MB left"),
    "a clock that is ahead": ({"host": {"ahead": 3600}}, "3600 s ahead of"),
    "a clock that is behind": ({"host": {"ahead": -200}}, "200 s behind"),
    "a Python too old for the agent": ({"python": "3.6.8"}, "ansible_python_interpreter"),
    "a distribution with a Python too old": ({"agent_python": "3.6.8"}, "take a newer release of the distribution"),
    "a distribution without Python": ({"agent_python": ""}, "this host has none"),
    "no xinetd any more": ({"options": {"agent_supervisor": "xinetd"}, "family": "RedHat", "release": "9"}, "wcs_node_agent_supervisor is xinetd"),
    "no xinetd on Amazon Linux": ({"options": {"agent_supervisor": "xinetd"}, "family": "RedHat", "release": "2023"}, "leave it at systemd"),
    "no balancers": ({"plan": {"balancers": []}}, "wcs_node_balancer_addresses"),
    "another port of WebSockets": ({"properties": {"ws.port": "8090"}}, "wcs_node_ws_port is 8080, but WCS listens on 8090"),
    "another port of statistics": ({"properties": {"http.port": "9081"}}, "wcs_node_http_port is 8081, but WCS listens on 9081"),
    "a header that the balancer does not send": (
        {"options": {"properties": {"ws.ip_forward_header": "X-Real-IP"}}},
        "wcs_node_properties sets ws.ip_forward_header",
    ),
    "headers that are not taken": ({"options": {"properties": {"ws.map_custom_headers": False}}}, "wcs_node_properties sets ws.map_custom_headers to 'false'"),
    "two balancers in one": ({"properties": {"load_balancing_enabled": "true"}}, "load_balancing_enabled to false in wcs_node_properties"),
    "two words on its role": ({"plan": {"needed": PLAN["needed"] | {"cdn_role": "edge"}}, "options": {"properties": {"cdn_role": "origin"}}}, "wcs_node_cdn_*"),
    "a role that only the file knows": ({"plan": {"cdn": True}, "properties": {"cdn_enabled": "true", "cdn_role": "origin"}}, "set wcs_node_cdn_role"),
    "the balancer's domain is not let in": ({"properties": {"allow_domains": "lb.example.com"}}, "put balancer.example.com into allow_domains"),
    "the balancer's domain is turned away": ({"properties": {"allow_domains": "!balancer.*,*"}}, "put balancer.example.com into allow_domains"),
    "the CDN is not let in": (
        {"properties": {"cdn_enabled": "true", "cdn_ip": "192.0.2.11", "allow_domains": "*.com"}},
        "put 192.0.2.11 into allow_domains",
    ),
    "an address of another host": ({"properties": {"ip_local": "192.0.2.99"}}, "set ip_local to one of them in wcs_node_properties"),
    "half of NAT": ({"properties": {"ip": "198.51.100.1"}}, "behind NAT: set ip_local"),
    "media nowhere": ({"properties": {"ip": "127.0.0.1", "ip_local": "192.0.2.11"}}, "set ip to the node's public address"),
    "more publishers than ports": (
        {"options": {"agent_limits": {"publishers": 500}}},
        "publishers in wcs_node_agent_limits is 500, but WCS has 499 media ports",
    ),
    "more subscribers than ports": ({"properties": {"media_port_to": "31100"}}, "subscribers in wcs_node_agent_limits"),
    "a reserve of all ports": ({"options": {"agent_limits": {"media-ports-free": 499}}}, "media-ports-free in wcs_node_agent_limits"),
    "media outside of the firewall": ({"properties": {"media_port_from": "41001", "media_port_to": "42000"}}, "row media of wcs_node_ports"),
    "a part of media outside": ({"table": [MEDIA | {"port": "31001-31500"}]}, "outside of what the firewall lets in"),
    "bandwidth that nobody measures": ({"options": {"agent_bandwidth": {"in": "global_bandwidth_in", "out": ""}}}, "set wcs_node_bandwidth_check"),
}


@pytest.mark.parametrize(("changed", "says"), WRONG.values(), ids=WRONG)
def test_a_problem_is_told_in_one_sentence_with_its_remedy(changed, says):
    found = [problem for problem in problems(**changed) if says in problem]
    assert len(found) == 1, problems(**changed)
    assert ": " in found[0] and found[0].endswith(".") and "\n" not in found[0]


def test_every_problem_is_told_at_once():
    assert len(problems(host={"free": 1, "ahead": 999}, plan={"balancers": []})) == 3


def test_without_rights_nothing_else_is_told():
    found = problems(host={"root": False, "free": 1})
    assert len(found) == 1 and "become: true" in found[0]


HOSTILE = ["a\nb", "a\rb", "a b", 'a"b', "a'b", "a#b", "a;b", "a$b", "a{{b}}", "a%b", "a\0b", "a\x1b[2Jb", "é", "١", "a\n", "", "x" * 10_000]


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize(("option", "before"), [("home", "/opt/"), ("service", "")])
def test_texts_that_units_are_made_of_are_plain(option, before, value):
    if option == "home" and value == "":
        return
    found = problems(options={option: before + value})
    assert f"wcs_node_{option} is " in found[0]
    assert all(problem.isprintable() for problem in found)


@pytest.mark.parametrize("value", ["relative/path", "~/wcs", "./wcs"])
def test_a_relative_home_is_refused(value):
    assert "give an absolute path" in problems(options={"home": value})[0]


@pytest.mark.parametrize("value", ["١٢٣٤", "8080 9", "99999999999", "-1", "8080;x"])
def test_a_property_that_is_no_number_is_not_taken_for_one(value):
    assert not [problem for problem in problems(properties={"media_port_from": value}) if "media" in problem]
