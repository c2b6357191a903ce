# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is an address, a name or a port, and what would carry anything else into a configuration."""

from __future__ import annotations

import pytest
from ansible_collections.webcallserver.balancer.plugins.plugin_utils import addresses

HOSTILE = (
    "\n",
    "\r",
    "\t",
    " ",
    "\0",
    "\x1b[2J",
    ";",
    "#",
    "{",
    "}",
    "{{ x }}",
    "$",
    "'",
    '"',
    "\\",
    "/",
    ",",
    "|",
    "\u2028",
    "\u00a0",
    "ä",
    "٣",
    "%",
    "@",
    "*",
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
        ("[::1]", "::1"),
        ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
        ("[::ffff:192.0.2.1]", "::ffff:c000:201"),
    ],
)
def test_addresses(text, expected):
    assert addresses.address(text) == addresses.ipaddress.ip_address(expected)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("::1%eth0", "has a zone"),
        ("fe80::1%x\n    bind :1", "has a zone"),
        ("[fe80::1%25eth0]", "has a zone"),
        *((text, "is neither an IPv4 nor an IPv6 address") for text in ("", "localhost", "127.1", "127.0.0.01", "[127.0.0.1]", "[[::1]]", "[::1", "::1]")),
        *((text, "is neither an IPv4 nor an IPv6 address") for text in ("127.0.0.1/8", 1, None, True, ["::1"], "1" * 10000)),
        *((f"127.0.0.1{mark}", "is|has") for mark in HOSTILE),
        *((f"{mark}::1", "is|has") for mark in HOSTILE),
    ],
)
def test_what_is_no_address(text, complaint):
    with pytest.raises(ValueError, match=complaint) as refusal:
        addresses.address(text)
    assert "\n" not in str(refusal.value) and len(str(refusal.value)) < 250


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        ("[::1]:65535", ("::1", 65535)),
        ("[2001:db8:0::1]:1", ("2001:db8::1", 1)),
        ("localhost:8180", ("localhost", 8180)),
        ("web-1.example.com:443", ("web-1.example.com", 443)),
        ("1.example:443", ("1.example", 443)),
        ("my_web:443", ("my_web", 443)),
        (f"{'a' * 63}.b:443", (f"{'a' * 63}.b", 443)),
    ],
)
def test_endpoints(text, expected):
    assert addresses.endpoint(text) == expected
    assert addresses.endpoint(str(addresses.endpoint(text))) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", ":", ":80", "80", "127.0.0.1", "::1", "::1:80", "[::1]", "[::1]:", "[::1]80", "[]:80", "[127.0.0.1]:80", "[localhost]:80", "a:b:80"),
        *(f"127.0.0.1:{port}" for port in (0, -1, 65536, 99999, "080", "8o", "+80", "8_0", "1e3", " 80", "80 ", "٨٠", "")),
        *("127.0.0.256:80", "1.2.3:80", "0x7f:80", "0x:80", "127.0.0.01:80", "2130706433:80", "fe80::1%eth0:80", "[fe80::1%eth0]:80", "[::1%\n]:80"),
        *("-a:80", "a-:80", "a..b:80", ".a:80", "a.:80", f"{'a' * 64}:80", f"{'a.' * 127}a:80", "http://a:80", "unix:/a:80", "a" * 10000 + ":80"),
        *(f"web{mark}:80" for mark in HOSTILE),
        *(f"web:80{mark}" for mark in HOSTILE),
        *(f"{mark}[::1]:80" for mark in HOSTILE),
        *(None, 80, True, ["127.0.0.1:80"]),
    ],
)
def test_what_is_no_endpoint(text):
    with pytest.raises(ValueError) as refusal:
        addresses.endpoint(text)
    assert str(refusal.value).isascii() and "\n" not in str(refusal.value) and len(str(refusal.value)) < 250


@pytest.mark.parametrize("text", [True, False, 0, -1, 65536, 80.0, "80\n", "", None, "1" * 5000])
def test_what_is_no_port(text):
    with pytest.raises(ValueError, match="is no port: ports are numbers from 1 to 65535"):
        addresses.port(text)


def test_ports():
    assert [addresses.port(text) for text in (1, 443, "443", 65535)] == [1, 443, 443, 65535]
