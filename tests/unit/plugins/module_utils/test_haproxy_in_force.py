# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import hashlib
import time

import pytest
from ansible_collections.webcallserver.balancer.plugins.module_utils import _haproxy_in_force as haproxy
from ansible_collections.webcallserver.balancer.plugins.module_utils._haproxy_in_force import Bind

CONFIG = """
global
    stats socket /run/haproxy/admin.sock user root
frontend wcs-balancer
    bind 0.0.0.0:443 ssl crt /c/a.pem crt /c/b.pem tls-ticket-keys /etc/haproxy/ticket-keys alpn http/1.1
    bind [::]:443 v6only ssl crt /c/a.pem crt /c/b.pem
    bind 192.0.2.1:8443,[2001:db8::1]:8443 ssl crt /c/a.pem
frontend redirect
    bind 0.0.0.0:80
frontend others
    bind /run/x ssl crt /c/a.pem
    bind fd@3 ssl crt /c/a.pem
    bind 127.0.0.1:99999 ssl crt /c/a.pem
    bind
"""


def test_what_matters_of_the_configuration():
    both, one = ("/c/a.pem", "/c/b.pem"), ("/c/a.pem",)
    assert haproxy.parse(CONFIG) == (
        [Bind("127.0.0.1", 443, both), Bind("::1", 443, both), Bind("192.0.2.1", 8443, one), Bind("2001:db8::1", 8443, one)],
        "/run/haproxy/admin.sock",
        "/etc/haproxy/ticket-keys",
    )


def pem(data):
    return b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(data) + b"-----END CERTIFICATE-----\n"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


LEAVES = {
    "leaf and chain": (pem(b"leaf") + pem(b"chain"), sha256(b"leaf")),
    "words before": (b"subject=x\n" + pem(b"leaf"), sha256(b"leaf")),
    "CRLF": (pem(b"leaf").replace(b"\n", b"\r\n"), sha256(b"leaf")),
    "empty": (b"", ""),
    "no end": (pem(b"leaf")[:40], ""),
    "no Base64": (b"-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n", ""),
    "end before begin": (b"-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\n", ""),
}


@pytest.mark.parametrize(("bundle", "expected"), LEAVES.values(), ids=LEAVES)
def test_the_leaf_of_a_bundle(bundle, expected):
    assert haproxy.leaf(bundle) == expected


SERVED = {
    "what lies there": ({"ECDHE+aECDSA": "a", "ECDHE+aRSA": "b"}, 0),
    "one kind alone": ({"ECDHE+aECDSA": "a"}, 0),
    "nothing can be seen": ({}, 0),
    "an older one": ({"ECDHE+aECDSA": "old"}, 1),
    "an older RSA one beside a good one": ({"ECDHE+aECDSA": "a", "ECDHE+aRSA": "old"}, 1),
}


@pytest.mark.parametrize(("given", "expected"), SERVED.values(), ids=SERVED)
def test_another_certificate_than_that_of_its_file(given, expected):
    binds = [Bind("127.0.0.1", 443, ("/a", "/b"))]
    found = haproxy.foreign(binds, ["wcs.example.com"], {"/a": "a", "/b": "b"}, lambda _bind, name, kind: given.get(kind, "") if name else "")
    assert len(found) == expected
    assert all(clause.endswith("served at port 443 of 127.0.0.1 for wcs.example.com") for clause in found)


def test_a_bind_with_a_directory_is_not_judged():
    assert haproxy.foreign([Bind("127.0.0.1", 443, ("/certs/",))], [], {"/certs/": ""}, lambda _bind, _name, _kind: "x") == []


def test_ticket_keys_are_read_from_what_haproxy_says():
    assert haproxy.ticket_keys("# id secret\n# 0 (/etc/keys)\n0.0 AAA=\n0.1 BBB=\n0.2 CCC=\n\n") == ["AAA=", "BBB=", "CCC="]
    assert haproxy.ticket_keys("Unknown command") == []


def test_the_limits_of_a_process():
    limits = "Limit  Soft Limit  Hard Limit  Units\nMax open files            65536                131072               files     \n"
    assert (haproxy.open_files(limits), haproxy.open_files(limits, hard=True)) == (65536, 131072)
    assert haproxy.open_files("Max open files            unlimited            unlimited            files     \n") == 0


def test_a_large_file_is_read_in_linear_time():
    start = time.process_time()
    haproxy.parse("bind " + "1.2.3.4:" * 200_000 + "x ssl crt /a\n" + "crt " * 500_000)
    haproxy.leaf(b"-----BEGIN CERTIFICATE-----" * 100_000)
    haproxy.ticket_keys("0.0" * 1_000_000)
    assert time.process_time() - start < 3
