# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.webcallserver.balancer.plugins.modules.wcs_probe import doors

PLAIN = ("/", "lb.example.com", 443)
CASES = {
    "no pools": ([], []),
    "a path": ([{"name": "view", "paths": ["/view", "/other"]}], [("/view", "lb.example.com", 443)]),
    "a host and a port": ([{"name": "view", "hosts": ["view.example.com"], "ports": [8443]}], [("/", "view.example.com", 8443)]),
    "a pool that others fall back to": ([{"name": "spare", "group": "spare"}], []),
}


@pytest.mark.parametrize(("pools", "more"), CASES.values(), ids=CASES)
def test_every_pool_has_its_door(pools, more):
    assert doors(pools, "lb.example.com", 443) == [PLAIN, *more]
