# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of firewalld before anything changes: the shell of the role, with a firewalld that says what the test wants."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.webcallserver.balancer.tests.support.paths import ROLES

PROGRAM = ROLES / "_firewall" / "files" / "firewalld_forgets.sh"
LETS_IN = "public (active)\n  target: default\n  services: ssh\n  ports: \n  sources: \n  rich rules: \n"

FIREWALLD = """#!/bin/sh
case "$*" in
--get-policies) {policies} ;;
--permanent*) printf '{permanent}' ;;
*) printf '{runtime}' ;;
esac
"""


def ask(tmp_path, runtime=LETS_IN, permanent=LETS_IN, policies="echo allow-host-ipv6"):
    firewalld = tmp_path / "firewall-cmd"
    firewalld.write_text(FIREWALLD.format(runtime=runtime, permanent=permanent, policies=policies).replace("\\n", "\n"))
    firewalld.chmod(0o755)
    path = f"{tmp_path}:/usr/bin:/bin"
    return subprocess.run(["sh", "-s", "wcs_node"], input=PROGRAM.read_text(), env={"PATH": path}, text=True, capture_output=True, check=False)


def test_what_is_permanent_may_be_reloaded(tmp_path):
    asked = ask(tmp_path)
    assert (asked.returncode, asked.stdout + asked.stderr) == (0, "")


def test_a_firewalld_without_policies_is_refused(tmp_path):
    asked = ask(tmp_path, policies="echo 'usage: unrecognized arguments: --get-policies' >&2; exit 2")
    assert "firewalld is older than 0.9" in asked.stdout


@pytest.mark.parametrize(
    "change",
    [
        LETS_IN.replace("ssh", "ssh cockpit"),
        LETS_IN.replace("ports: ", "ports: 2222/tcp"),
        LETS_IN.replace("sources: ", "sources: 192.0.2.0/24"),
        LETS_IN.replace("default", "ACCEPT"),
        LETS_IN.replace("public", "trusted"),
    ],
)
def test_what_was_let_in_at_run_time_only_is_not_forgotten(tmp_path, change):
    asked = ask(tmp_path, runtime=change)
    assert "firewall-cmd --runtime-to-permanent" in asked.stdout


@pytest.mark.parametrize(
    "change",
    [
        LETS_IN.replace("rich rules: ", 'rich rules: rule family="ipv4" source address="192.0.2.66" reject'),
        LETS_IN.replace("public (active)", "public"),
    ],
)
def test_a_ban_and_an_interface_may_come_and_go(tmp_path, change):
    assert ask(tmp_path, runtime=change).stdout == ""
