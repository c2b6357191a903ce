# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every text of wcs_node that reaches a firewall, a unit or a property: refused by the name of its variable, or without effect."""

from __future__ import annotations

import pytest
from ansible_collections.webcallserver.balancer.plugins.plugin_utils.cdn import cdn_properties
from ansible_collections.webcallserver.balancer.plugins.plugin_utils.firewall import port_rules
from ansible_collections.webcallserver.balancer.plugins.plugin_utils.networks import host_networks

HOSTILE = {
    "a newline": "192.0.2.1\naccept",
    "a newline at the end": "192.0.2.1\n",
    "a carriage return": "192.0.2.1\r",
    "a quote": '192.0.2.1"',
    "an apostrophe": "192.0.2.1'",
    "a blank": "192.0.2.1 192.0.2.2",
    "a blank in front": " 192.0.2.1",
    "a comment": "192.0.2.1#",
    "a template": "{{ 1 }}",
    "a zone": "fe80::1%eth0",
    "a zone with more in it": "::1%\n}; accept #",
    "a zone behind a network": "fe80::%eth0/64",
    "a null character": "192.0.2.1\0",
    "a semicolon": "192.0.2.1; accept",
    "a variable": "$(id)",
    "a brace": "192.0.2.1 }",
    "an angle bracket": '192.0.2.1"/><accept/>',
    "digits of another script": "١٩٢.0.2.1",
    "a full stop of another script": "192。0。2。1",
    "ten thousand letters": "a" * 10_000,
    "ten thousand digits": "1" * 10_000,
    "nothing but a slash": "/",
    "an option": "-A",
}
NODE = {"wcs_node_address": "192.0.2.1"}
TABLE = [{"name": "ws", "port": 8080, "from": ["balancers"]}]


def refused(message):
    """One line that names a variable and can be printed."""
    assert message.isprintable() and len(message) < 1000, message
    return message


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize(
    ("make", "variable"),
    [
        (lambda value: port_rules(TABLE, {"balancers": [value]}), "wcs_node_balancer_addresses"),
        (lambda value: port_rules([TABLE[0] | {"from": ["admins"]}], {"admins": [value]}), "wcs_node_admin_networks"),
        (lambda value: port_rules([TABLE[0] | {"from": [value]}], {}), "wcs_node_ports"),
        (lambda value: port_rules(TABLE, {}, changes={"ws": [value]}), "wcs_node_ports_from"),
        (lambda value: port_rules([TABLE[0] | {"port": value}], {"balancers": []}), "wcs_node_ports"),
        (lambda value: port_rules([TABLE[0] | {"port": f"8080-{value}"}], {"balancers": []}), "wcs_node_ports"),
        (lambda value: port_rules([TABLE[0] | {"protocol": value}], {"balancers": []}), "wcs_node_ports"),
        (lambda value: port_rules([TABLE[0] | {"properties": ["ws.port"]}], {"balancers": []}, properties={"ws.port": f"80{value}"}), "ws.port"),
        (lambda value: host_networks(["a"], {"a": {"wcs_node_address": value}}, "wcs_node_address"), "wcs_node_address"),
        (lambda value: host_networks(["a"], {"a": {"haproxy_lb_addresses": [value]}}, "haproxy_lb_addresses"), "haproxy_lb_addresses"),
        (lambda value: host_networks(["a"], {"a": NODE | {"wcs_node_cdn_ip": value}}, "wcs_node_address", "wcs_node_cdn_ip"), "wcs_node_cdn_ip"),
        (lambda value: cdn_properties("a", ["a"], {"a": {}}, "origin", value), "wcs_node_cdn_ip"),
        (lambda value: cdn_properties("a", ["a"], {"a": {"ansible_host": "192.0.2.1"}}, "edge", "", value), "wcs_node_cdn_point_of_entry"),
    ],
)  # fmt: skip
def test_a_hostile_text_is_refused_by_name(make, variable, value, monkeypatch):
    monkeypatch.setattr("socket.getaddrinfo", lambda *_arguments, **_options: pytest.fail("asked DNS"))
    if value.startswith("a" * 300) and variable.endswith(("address", "addresses", "cdn_ip")):
        monkeypatch.undo()
    with pytest.raises(ValueError) as problem:
        make(value)
    assert variable in refused(str(problem.value))


@pytest.mark.parametrize("value", ["a,b", "a b", "a\nb", "a\n", "a\0b", "", "a" * 10_000, "a\x1bb", "a\u2028b"])
def test_a_group_of_the_cdn_has_a_plain_name(value):
    with pytest.raises(ValueError) as problem:
        cdn_properties("a", ["a"], {"a": {"ansible_host": "192.0.2.1"}}, "origin", groups=[value])
    assert "wcs_node_cdn_groups" in refused(str(problem.value))
