# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be done on a host, from what was seen there."""

from __future__ import annotations

import pytest
from ansible_collections.webcallserver.balancer.plugins.plugin_utils.due import due

FILE = {"path": "/etc/settings", "mode": "0644", "content": "a = 1\n"}
LOOK = {"files": {"/etc/settings": {"kind": "absent"}}, "packages": ["nginx"], "users": {"wcs-agent": {"home": "/nonexistent", "shell": "/bin/sh"}}}
RUNS = {"in_force": True, "reasons": [], "enabled": True, "masked": False, "daemon_reload": False}

CASES = {
    "nothing": ({}, []),
    "a file": ({"files": [FILE]}, ["/etc/settings: it is not there"]),
    "a package that is missing, and one that is there": ({"packages": ["nginx", "haproxy"]}, ["nginx is not installed"]),
    "a user with another shell": (
        {"users": {"wcs-agent": {"home": "/nonexistent", "shell": "/usr/sbin/nologin"}}},
        ["the user wcs-agent is missing, or another one"],
    ),
    "a user that there is not": ({"users": {"nobody-yet": {"home": "/", "shell": "/bin/sh"}}}, ["the user nobody-yet is missing, or another one"]),
    "a service as it should be": ({"services": {"nginx": RUNS}}, []),
    "a service on other files": (
        {"services": {"nginx": RUNS | {"in_force": False, "reasons": ["a is gone", "it still runs on b"]}}},
        ["nginx: a is gone", "nginx: it still runs on b"],
    ),
    "a service that does not start at boot": ({"services": {"nginx": RUNS | {"enabled": False}}}, ["nginx: it does not start at boot"]),
    "a service that is masked": ({"services": {"nginx": RUNS | {"masked": True}}}, ["nginx: it is masked"]),
    "a unit that systemd has not read": ({"services": {"nginx": RUNS | {"daemon_reload": True}}}, ["nginx: systemd has not read its unit"]),
    "a service that cannot be judged": ({"services": {"nginx": {"msg": "/run/record is not a regular file"}}}, ["nginx: /run/record is not a regular file"]),
    "other clauses, less those that say nothing": ({"also": ["", "keys are missing", ""]}, ["keys are missing"]),
}


@pytest.mark.parametrize(("wanted", "clauses"), CASES.values(), ids=CASES)
def test_each_thing_to_do_has_a_clause_behind_its_kind(wanted, clauses):
    assert due(LOOK, "reload", **wanted) == [f"reload: {clause}" for clause in clauses]
