# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What testssl.sh has to say."""

from __future__ import annotations

import json

import pytest

HARMLESS = {"OK", "INFO", "LOW", "DEBUG"}
# A throw-away authority revokes nothing, and Debian's OpenSSL has no GOST to try
NOT_OURS = {"cert_revocation", "engine_problem"}


@pytest.fixture(scope="module")
def findings(fleet):
    root = fleet.ca_file.read_text()
    fleet.run("visitor", f"cat >/run/root.pem <<'EOF'\n{root}\nEOF\nrm -f /run/findings.json")
    # Its exit status counts findings
    command = "testssl --quiet --color 0 --warnings off --add-ca /run/root.pem --jsonfile /run/findings.json"
    fleet.host("visitor").run(f"{command} --ip={fleet.address('lb1')} https://{fleet.domain}:443/")
    return {found["id"]: found for found in json.loads(fleet.run("visitor", "cat /run/findings.json"))}


def test_nothing_is_worse_than_low(findings):
    assert len(findings) > 50
    assert [found for name, found in findings.items() if found["severity"] not in HARMLESS and name not in NOT_OURS] == []


PROTOCOLS = {"SSLv2": False, "SSLv3": False, "TLS1": False, "TLS1_1": False, "TLS1_2": True, "TLS1_3": True}


def test_only_the_two_good_protocols(findings):
    assert {name: not findings[name]["finding"].startswith("not offered") for name in PROTOCOLS} == PROTOCOLS


def test_forward_secrecy(findings):
    """Older releases of testssl.sh call it PFS."""
    assert (findings.get("FS") or findings["PFS"])["severity"] == "OK"
