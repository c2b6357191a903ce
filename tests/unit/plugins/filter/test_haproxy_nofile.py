# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Descriptors follow the servers; too few are refused."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.webcallserver.balancer.plugins.filter.haproxy_nofile import haproxy_nofile


@pytest.mark.parametrize(
    ("sizes", "wanted", "expected"),
    [([], 0, 65536), ([4000, 4000], 0, 65536), ([30000], 0, 65536), ([31000], 0, 131072), ([4000], 12002, 12002), ([4000], 1000000, 1000000)],
)
def test_enough(sizes, wanted, expected):
    assert haproxy_nofile([{"maxconn": size} for size in sizes], wanted) == expected


def test_too_few():
    with pytest.raises(AnsibleFilterError, match="haproxy_lb_nofile is 12001, but the 4000 WebSockets .* need 12002"):
        haproxy_nofile([{"maxconn": 4000}], 12001)
