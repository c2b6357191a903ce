# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may come in, from where, how often and with which certificate: the options, on a real haproxy."""

from __future__ import annotations

import contextlib
import ssl
import subprocess

import pytest
from ansible_collections.webcallserver.balancer.tests.integration.haproxy.balancer import HANDSHAKE, balanced


@pytest.fixture
def running(install, tmp_path):
    """A balancer with these variables, and what it balances."""
    with contextlib.ExitStack() as stack:
        yield lambda **variables: stack.enter_context(balanced(install, tmp_path, "wcs1", **variables))


def header(node, name):
    values = [line.partition(": ")[2] for line in node.requests[-1] if line.lower().startswith(name + ":")]
    assert len(values) == 1
    return values[0]


def test_only_known_pages_open_a_websocket(running):
    balancer, _nodes, _web = running(haproxy_lb_origins=["https://www.example.com", "http://localhost:3000"])
    assert balancer.visit(*HANDSHAKE, "Origin: https://www.example.com") == "wcs1"
    assert balancer.visit(*HANDSHAKE, "Origin: HTTP://localhost:3000") == "wcs1"
    assert balancer.visit() == "wcs1"
    for origin in ("https://example.com", "https://www.example.com.evil.test", "http://www.example.com", "null", "https://www.example.com,https://evil.test"):
        assert balancer.visit(*HANDSHAKE, f"Origin: {origin}") == 403
    assert balancer.visit("Host: wcs.example.com", "Origin: https://evil.test") == 200


def test_one_client_holds_so_many_websockets(running):
    balancer, _nodes, _web = running(haproxy_lb_source_sessions=3)
    with contextlib.ExitStack() as held:
        for _turn in range(3):
            client = held.enter_context(balancer.connect())
            assert client.ask(*HANDSHAKE)[0] == 101
        assert balancer.visit() == 429
        # Pages are not counted, and another client is another one
        assert balancer.visit("Host: wcs.example.com") == 200
        assert balancer.visit(host="::1") == "wcs1"
    balancer.wait(lambda: balancer.visit() == "wcs1")


def test_one_client_opens_so_many_websockets(running):
    balancer, _nodes, _web = running(haproxy_lb_source_rate=5)
    assert [balancer.visit() for _turn in range(8)] == ["wcs1"] * 5 + [429] * 3
    assert balancer.visit("Host: wcs.example.com") == 200


PROXIED = {
    "IPv4": (b"PROXY TCP4 203.0.113.7 192.0.2.1 50000 443\r\n", "203.0.113.7:50000"),
    "IPv6": (b"PROXY TCP6 2001:db8::7 2001:db8::1 50000 443\r\n", "[2001:db8::7]:50000"),
}


@pytest.mark.parametrize(("said", "expected"), PROXIED.values(), ids=PROXIED)
def test_a_proxy_in_front_is_believed_by_proxy_protocol(running, said, expected):
    balancer, nodes, _web = running(haproxy_lb_proxies=["127.0.0.1"])
    assert balancer.visit(*HANDSHAKE, "X-Client-IP: 6.6.6.6:1", before=said) == "wcs1"
    assert header(nodes[0], "x-client-ip") == expected
    assert header(nodes[0], "x-forwarded-for") == said.split()[2].decode()
    # Everybody else comes without it, and is not believed with it
    assert balancer.visit(host="::1") == "wcs1"
    with pytest.raises(OSError):
        balancer.visit(host="::1", before=said)
    with pytest.raises(OSError):
        balancer.visit()


def test_a_proxy_in_front_is_believed_by_header(running):
    balancer, nodes, _web = running(haproxy_lb_proxies=["127.0.0.1"], haproxy_lb_proxies_protocol="x_forwarded_for")
    forwarded = "X-Forwarded-For: 6.6.6.6, 203.0.113.7"
    assert balancer.visit(*HANDSHAKE, forwarded) == "wcs1"
    assert header(nodes[0], "x-client-ip").rpartition(":")[0] == "203.0.113.7"
    assert header(nodes[0], "x-forwarded-for") == "203.0.113.7"
    assert balancer.visit(*HANDSHAKE, forwarded, host="::1") == "wcs1"
    assert header(nodes[0], "x-client-ip").rpartition(":")[0] == "[::1]"
    assert balancer.visit() == "wcs1"
    assert header(nodes[0], "x-client-ip").rpartition(":")[0] == "127.0.0.1"


def test_browsers_are_told_to_insist_on_tls_when_asked_for(running):
    balancer, _nodes, _web = running(haproxy_lb_hsts_max_age=63072000)
    for headers in (HANDSHAKE, ("Host: wcs.example.com",), ("Host: wcs.example.com", "Upgrade: websocket")):
        with balancer.connect() as client:
            _status, answer = client.ask(*headers)
        assert "strict-transport-security: max-age=63072000" in [line.lower() for line in answer]


def test_a_client_gets_ecdsa_when_it_can_and_rsa_when_it_cannot(running):
    more = [{"name": "rsa", "certificate": "", "chain": "", "private_key": ""}]
    balancer, _nodes, _web = running(haproxy_lb_extra_certificates=more)

    def served(*arguments):
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{balancer.port}", "-servername", "wcs.example.com", *arguments]
        done = subprocess.run(command, input=b"", capture_output=True, check=True)
        return next(line.split(b"CN")[1].strip(b" =\n").decode() for line in done.stdout.splitlines() if line.startswith(b"subject="))

    assert served() == "wcs.example.com"
    assert served("-sigalgs", "rsa_pss_rsae_sha256:rsa_pkcs1_sha256") == "rsa"
    assert served("-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256") == "rsa"
    assert balancer.visit(maximum_version=ssl.TLSVersion.TLSv1_2) == "wcs1"
