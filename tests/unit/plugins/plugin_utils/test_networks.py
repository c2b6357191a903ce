# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.webcallserver.balancer.plugins.plugin_utils.networks import host_networks

CASES = {
    "the variable wins": ({"a": {"v": "192.0.2.1", "ansible_host": "192.0.2.9"}}, ["192.0.2.1/32"]),
    "a list of both families": (
        {"a": {"v": ["2001:db8::1", "192.0.2.1"]}},
        ["192.0.2.1/32", "2001:db8::1/128"],
    ),
    "a network": ({"a": {"v": "192.0.2.0/24"}}, ["192.0.2.0/24"]),
    "ansible_host": ({"a": {"ansible_host": "192.0.2.9"}}, ["192.0.2.9/32"]),
    "an empty list falls back": ({"a": {"v": [], "ansible_host": "192.0.2.9"}}, ["192.0.2.9/32"]),
    "the inventory name": ({"192.0.2.7": {}}, ["192.0.2.7/32"]),
    "each once, in order": (
        {"a": {"v": "192.0.2.10"}, "b": {"v": ["192.0.2.9", "192.0.2.10"]}},
        ["192.0.2.9/32", "192.0.2.10/32"],
    ),
    "nobody": ({}, []),
}


@pytest.mark.parametrize(("hostvars", "expected"), CASES.values(), ids=CASES)
def test_networks(hostvars, expected):
    assert host_networks(list(hostvars), hostvars, "v") == expected


def test_another_variable_adds_to_the_addresses():
    hostvars = {"a": {"ansible_host": "192.0.2.9", "w": "198.51.100.9"}, "b": {"v": "192.0.2.8"}}
    assert host_networks(["a", "b"], hostvars, "v", also="w") == ["192.0.2.8/32", "192.0.2.9/32", "198.51.100.9/32"]


def test_a_name_is_resolved_here():
    assert "127.0.0.1/32" in host_networks(["a"], {"a": {"ansible_host": "localhost"}}, "v")


@pytest.mark.parametrize("address", ["192.0.2.1/24", "no-such-host.invalid"])
def test_a_bad_address_names_host_and_variable(address):
    with pytest.raises(ValueError, match="haproxy_lb_addresses of host lb1: "):
        host_networks(["lb1"], {"lb1": {"haproxy_lb_addresses": address}}, "haproxy_lb_addresses")
