# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.webcallserver.balancer.plugins.plugin_utils.cdn import cdn_properties

HOSTVARS = {
    "origin1": {"ansible_host": "192.0.2.11", "wcs_node_cdn_role": "origin"},
    "origin2": {"ansible_host": "192.0.2.12", "wcs_node_cdn_role": "origin"},
    "edge1": {"ansible_host": "192.0.2.21", "wcs_node_cdn_role": "edge"},
    "edge2": {"ansible_host": "198.51.100.22", "wcs_node_address": "192.0.2.22", "wcs_node_cdn_role": "edge"},
    "alone": {"ansible_host": "192.0.2.31"},
}


def properties(host, role, hosts=tuple(HOSTVARS), **more):
    return cdn_properties(host, list(hosts), HOSTVARS, role, **more)


def taking_part(role, address, entry, groups=None, names=False):
    return {
        "cdn_enabled": True,
        "cdn_role": role,
        "cdn_ip": address,
        "cdn_nodes_resolve_ip": names,
        "cdn_point_of_entry": entry,
        "cdn_groups": groups,
    }


CASES = {
    "a node without a part": (properties("alone", "none"), {}),
    "an edge enters by the first origin": (properties("edge1", "edge"), taking_part("edge", "192.0.2.21", "192.0.2.11")),
    "where balancers reach it": (properties("edge2", "edge"), taking_part("edge", "192.0.2.22", "192.0.2.11")),
    "the first origin enters by the second": (properties("origin1", "origin"), taking_part("origin", "192.0.2.11", "192.0.2.12")),
    "the only origin enters nowhere": (properties("origin1", "origin", ["origin1", "edge1"]), taking_part("origin", "192.0.2.11", None)),
    "what is said counts": (
        properties("edge1", "edge", address="2001:db8::21", point_of_entry="192.0.2.12", groups=["EU", "GPU"]),
        taking_part("edge", "2001:db8::21", "192.0.2.12", "EU,GPU"),
    ),
    "names are resolved": (
        properties("edge1", "edge", address="edge1.example.com"),
        taking_part("edge", "edge1.example.com", "192.0.2.11", names=True),
    ),
}


@pytest.mark.parametrize(("found", "expected"), CASES.values(), ids=CASES)
def test_properties(found, expected):
    assert found == expected


WRONG = {
    "two nodes of one address": (("edge1", "edge"), {"address": "192.0.2.11"}, "wcs_node_cdn_ip: hosts 'edge1' and 'origin1'"),
    "its own point of entry": (("origin1", "origin"), {"point_of_entry": "192.0.2.11"}, "wcs_node_cdn_point_of_entry: 192.0.2.11 is host 'origin1' itself"),
    "an edge of nothing": (("edge1", "edge", ["edge1", "edge2", "alone"]), {}, "wcs_node_cdn_role: 'edge1' is an edge"),
    "two groups in one": (("edge1", "edge"), {"groups": ["EU,GPU"]}, "wcs_node_cdn_groups: 'EU,GPU'"),
}


@pytest.mark.parametrize(("arguments", "more", "names"), WRONG.values(), ids=WRONG)
def test_a_contradiction_is_named(arguments, more, names):
    with pytest.raises(ValueError) as caught:
        properties(*arguments, **more)
    assert names in str(caught.value)
