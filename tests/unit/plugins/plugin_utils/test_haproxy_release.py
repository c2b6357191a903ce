# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a binary says of itself, read."""

from __future__ import annotations

import pytest
from ansible_collections.webcallserver.balancer.plugins.plugin_utils.haproxy_release import haproxy_release

KNOWN = {
    "HA-Proxy version 2.2.9-2+deb11u6 2023/12/23 - https://haproxy.org/\nStatus: long-term": ("2.2", False, False),
    "HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/": ("2.6", True, True),
    "HAProxy version 3.3-dev2-1234 2025/07/01 - https://haproxy.org/": ("3.3", True, True),
    "HAProxy version 10.1.0": ("10.1", True, True),
    "": ("2.6", True, True),
}


@pytest.mark.parametrize(("text", "expected"), KNOWN.items())
def test_known(text, expected):
    release = haproxy_release(text)
    assert (release["version"], release["proto_h1"], release["fd_hard_limit"]) == expected


@pytest.mark.parametrize("text", ["HA-Proxy version 1.8.27 2020/11/06", "HA-Proxy version 2.0.33", "bash: haproxy: not found"])
def test_refused(text):
    with pytest.raises(ValueError):
        haproxy_release(text)


@pytest.mark.parametrize(("version", "able"), [("2.2.9-2+deb11u6", False), ("2.4.0", True), ("3.0.11-1+deb13u4", True), ("3.0.22", False), ("3.0.220", True)])
def test_websockets_over_http_2(version, able):
    assert haproxy_release(f"HAProxy version {version} 2026/10/17 - https://haproxy.org/")["http2_websockets"] == able
