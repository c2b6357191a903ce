# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a visit needs where Ansible runs is looked for before it starts."""

from __future__ import annotations

import sys
import types

import pytest
from ansible_collections.webcallserver.balancer.plugins.action.run_check import visit_problems


@pytest.mark.parametrize(
    ("version", "said"),
    [
        (None, "The visit needs aiohttp"),
        ("3.6.2", "aiohttp 3.6.2 is too old"),
        ("2.3.10", "too old"),
        ("3.7.4", None),
        ("3.8.4", None),
        ("3.11.16", None),
        ("3.14.5", None),
        ("4.0.0a1", None),
    ],
)
def test_which_aiohttp_is_taken(monkeypatch, version, said):
    module = None if version is None else types.ModuleType("aiohttp")
    if module:
        module.__version__ = version
    monkeypatch.setitem(sys.modules, "aiohttp", module)
    problems = visit_problems(None)
    assert [said in problem for problem in problems] == ([True] if said else [])


def test_authorities_that_are_not_here_are_named(tmp_path):
    assert "wcs_verify_ca_path is /nowhere.pem" in " ".join(visit_problems("/nowhere.pem"))
    (tmp_path / "ca.pem").touch()
    assert not any("wcs_verify_ca_path" in problem for problem in visit_problems(str(tmp_path / "ca.pem")))
