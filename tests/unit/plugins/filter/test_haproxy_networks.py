# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks are checked before HAProxy sees them."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.webcallserver.balancer.plugins.filter.haproxy_networks import haproxy_networks


def test_one_form():
    given = ["192.0.2.1", "192.0.2.0/24", "2001:DB8::/32", "2001:db8::1"]
    assert haproxy_networks(given, "x") == ["192.0.2.1/32", "192.0.2.0/24", "2001:db8::/32", "2001:db8::1/128"]


@pytest.mark.parametrize("entry", ["192.0.2.1/24", "proxy.example.com", "", "192.0.2.0/33", "0.0.0.0/0", "::/0"])
def test_refused(entry):
    with pytest.raises(AnsibleFilterError, match="^haproxy_lb_proxies: "):
        haproxy_networks([entry], "haproxy_lb_proxies")
