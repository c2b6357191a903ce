# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each row takes a sound node, makes one thing wrong, and is told what."""

from __future__ import annotations

import pytest
from ansible_collections.webcallserver.balancer.plugins.filter.node_problems import node_problems

LOOK = {
    "Id": "webcallserver.service",
    "LoadState": "loaded",
    "ActiveState": "active",
    "Version": "5.2.1537",
    "Java": "/usr/bin/java",
    "Free": "20000",
    "Address": "192.0.2.11",
    "Ahead": "0",
}
MEDIA = {"action": "accept", "protocol": "udp", "family": "any", "networks": [], "ports": ["31001-32000"]}
NODE = {
    "home": "/opt/wcs",
    "service": "webcallserver",
    "installed": True,
    "balancers_group": "wcs_balancers",
    "balancers": ["192.0.2.10/32"],
    "domains": ["balancer.example.com"],
    "python": "3.9.2",
    "family": "Debian",
    "release": "11",
    "supervisor": "systemd",
    "ws_port": 8080,
    "http_port": 8081,
    "limits": {"publishers": 100, "subscribers": 100, "media-ports-free": 10},
    "bandwidth": {"in": "", "out": "", "mbps": 1},
    "rules": [MEDIA],
    "properties": {},
    "needed": {"ws.map_custom_headers": True, "ws.ip_forward_header": "X-Client-IP"},
    "wanted": {},
    "cdn": False,
}


def problems(look=(), properties=(), **changed):
    seen = "\n".join(f"{key}={value}" for key, value in (LOOK | dict(look)).items())
    wanted = changed.get("wanted", {})
    return node_problems(seen, NODE | {"properties": NODE["needed"] | dict(properties) | wanted} | changed)


SOUND = {
    "as it should be": {},
    "blanks and words of its own": {"properties": {"ws.port": " 8080 ", "allow_domains": "*.example.com"}},
    "what is needed said again": {"wanted": {"ws.map_custom_headers": "true"}},
    "behind NAT": {"properties": {"ip": "198.51.100.1", "ip_local": "192.0.2.11"}},
    "any address": {"properties": {"ip": "0.0.0.0", "ip_local": "0.0.0.0"}},
    "no firewall": {"rules": None},
    "xinetd": {"supervisor": "xinetd"},
    "xinetd while there was one": {"supervisor": "xinetd", "family": "RedHat", "release": "8"},
    "media in two rows": {"rules": [MEDIA | {"ports": ["31001-31500"]}, MEDIA | {"ports": ["31501-32000"]}]},
    "stopped, with Java": {"look": {"ActiveState": "inactive"}},
    "running, with a Java of its own": {"look": {"Java": ""}},
    "a version that nobody knows": {"look": {"Version": ""}},
    "every port in use": {"properties": {"compact_media_port_usage": "true"}, "limits": {"subscribers": 999}},
    "the balancer before the others": {"properties": {"allow_domains": "balancer.example.com,!*.example.com"}},
    "in the CDN with its own address": {"properties": {"cdn_enabled": "true", "cdn_ip": "192.0.2.11", "allow_domains": "*.example.com, 192.0.2.11"}},
}


@pytest.mark.parametrize("changed", SOUND.values(), ids=SOUND)
def test_a_sound_node_has_no_problem(changed):
    assert problems(**changed) == []


WRONG = {
    "no WCS": ({"installed": False}, "wcs_node_home"),
    "no service": ({"look": {"LoadState": "not-found", "ActiveState": "inactive"}}, "wcs_node_service"),
    "nothing to run it with": ({"look": {"ActiveState": "failed", "Java": ""}}, "Java"),
    "an old WCS": ({"look": {"Version": "5.1.3"}}, "5.2 or later"),
    "a full disk": ({"look": {"Free": "12"}}, "12 MB left"),
    "a clock that is ahead": ({"look": {"Ahead": "3600"}}, "3600 s ahead of"),
    "a clock that is behind": ({"look": {"Ahead": "-200"}}, "200 s behind"),
    "a Python too old for the agent": ({"python": "3.6.8"}, "ansible_python_interpreter"),
    "no xinetd any more": ({"supervisor": "xinetd", "family": "RedHat", "release": "9"}, "wcs_node_agent_supervisor is xinetd"),
    "no xinetd on Amazon Linux": ({"supervisor": "xinetd", "family": "RedHat", "release": "2023"}, "leave it at systemd"),
    "no balancers": ({"balancers": []}, "wcs_node_balancer_addresses"),
    "another port of WebSockets": ({"properties": {"ws.port": "8090"}}, "wcs_node_ws_port is 8080, but WCS listens on 8090"),
    "another port of statistics": ({"properties": {"http.port": "9081"}}, "wcs_node_http_port is 8081, but WCS listens on 9081"),
    "a header that the balancer does not send": ({"wanted": {"ws.ip_forward_header": "X-Real-IP"}}, "wcs_node_properties sets ws.ip_forward_header"),
    "headers that are not taken": ({"wanted": {"ws.map_custom_headers": False}}, "wcs_node_properties sets ws.map_custom_headers to 'false'"),
    "two balancers in one": ({"properties": {"load_balancing_enabled": "true"}}, "load_balancing_enabled to false in wcs_node_properties"),
    "two words on its role": ({"needed": NODE["needed"] | {"cdn_role": "edge"}, "wanted": {"cdn_role": "origin"}}, "wcs_node_cdn_*"),
    "a role that only the file knows": ({"cdn": True, "properties": {"cdn_enabled": "true", "cdn_role": "origin"}}, "set wcs_node_cdn_role"),
    "the balancer's domain is not let in": ({"properties": {"allow_domains": "lb.example.com"}}, "put balancer.example.com into allow_domains"),
    "the balancer's domain is turned away": ({"properties": {"allow_domains": "!balancer.*,*"}}, "put balancer.example.com into allow_domains"),
    "the CDN is not let in": (
        {"properties": {"cdn_enabled": "true", "cdn_ip": "192.0.2.11", "allow_domains": "*.com"}},
        "put 192.0.2.11 into allow_domains",
    ),
    "an address of another host": ({"properties": {"ip_local": "192.0.2.99"}}, "set ip_local to one of them in wcs_node_properties"),
    "half of NAT": ({"properties": {"ip": "198.51.100.1"}}, "behind NAT: set ip_local"),
    "media nowhere": ({"properties": {"ip": "127.0.0.1", "ip_local": "192.0.2.11"}}, "set ip to the node's public address"),
    "more publishers than ports": ({"limits": {"publishers": 500}}, "publishers in wcs_node_agent_limits is 500, but WCS has 499 media ports"),
    "more subscribers than ports": ({"properties": {"media_port_to": "31100"}}, "subscribers in wcs_node_agent_limits"),
    "a reserve of all ports": ({"limits": {"media-ports-free": 499}}, "media-ports-free in wcs_node_agent_limits"),
    "media outside of the firewall": ({"properties": {"media_port_from": "41001", "media_port_to": "42000"}}, "row media of wcs_node_ports"),
    "a part of media outside": ({"rules": [MEDIA | {"ports": ["31001-31500"]}]}, "outside of what the firewall lets in"),
    "bandwidth that nobody measures": ({"bandwidth": {"in": "global_bandwidth_in", "out": ""}}, "set wcs_node_bandwidth_check"),
}


@pytest.mark.parametrize(("changed", "says"), WRONG.values(), ids=WRONG)
def test_a_problem_is_told_in_one_sentence_with_its_remedy(changed, says):
    found = [problem for problem in problems(**changed) if says in problem]
    assert len(found) == 1, problems(**changed)
    assert ": " in found[0] and found[0].endswith(".") and "\n" not in found[0]


def test_every_problem_is_told_at_once():
    assert len(problems(look={"Free": "1", "Ahead": "999"}, balancers=[])) == 3
