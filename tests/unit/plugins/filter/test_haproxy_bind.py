# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses for the bind line."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.webcallserver.balancer.plugins.filter.haproxy_bind import haproxy_bind


@pytest.mark.parametrize(
    ("address", "expected"),
    [("0.0.0.0", "0.0.0.0:443"), ("192.0.2.1", "192.0.2.1:443"), ("::", "[::]:443 v6only"), ("[2001:DB8::1]", "[2001:db8::1]:443 v6only")],
)
def test_written(address, expected):
    assert haproxy_bind([address], [443]) == [expected]


def test_every_address_with_every_port():
    assert haproxy_bind(["0.0.0.0", "::"], [443, 8443]) == ["0.0.0.0:443", "[::]:443 v6only", "0.0.0.0:8443", "[::]:8443 v6only"]


@pytest.mark.parametrize("address", ["*", "", "localhost", "192.0.2.1:443", "192.0.2.256"])
def test_refused(address):
    with pytest.raises(AnsibleFilterError, match="haproxy_lb_bind"):
        haproxy_bind([address], [443])


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_no_port(port):
    with pytest.raises(AnsibleFilterError, match="haproxy_lb_port"):
        haproxy_bind(["::"], [port])
