# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Origins are written as browsers write them."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.webcallserver.balancer.plugins.filter.haproxy_origins import haproxy_origins

WRITTEN = {
    "https://www.example.com": "https://www.example.com",
    "https://WWW.example.com:443": "https://www.example.com",
    "http://www.example.com:80": "http://www.example.com",
    "https://www.example.com:8443": "https://www.example.com:8443",
    "http://localhost:3000": "http://localhost:3000",
    "https://[2001:db8::1]:8443": "https://[2001:db8::1]:8443",
}


@pytest.mark.parametrize(("given", "expected"), WRITTEN.items())
def test_written(given, expected):
    assert haproxy_origins([given]) == [expected]


@pytest.mark.parametrize(
    "entry", ["www.example.com", "https://www.example.com/", "https://www.example.com/page", "*", "ftp://a", "https://a b", "https://a\nb"]
)
def test_refused(entry):
    with pytest.raises(AnsibleFilterError, match="haproxy_lb_origins: "):
        haproxy_origins([entry])
