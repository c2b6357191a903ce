# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a role's defaults say, its argument_specs and its README say too."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

ROLES = Path(__file__).resolve().parents[3] / "roles"
REQUIRED = {
    "wcs_node": set(),
    "haproxy_lb": {"haproxy_lb_domain", "haproxy_lb_certificate", "haproxy_lb_private_key"},
    "websdk_nginx": set(),
}


def load(role, name):
    return yaml.safe_load((ROLES / role / name).read_text())


@pytest.mark.parametrize("role", REQUIRED)
def test_defaults_and_argument_specs_are_equal(role):
    options = load(role, "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    assert {name: option["default"] for name, option in options.items() if "default" in option} == load(role, "defaults/main.yml")
    assert {name for name, option in options.items() if option.get("required")} == REQUIRED[role]


@pytest.mark.parametrize("role", REQUIRED)
def test_the_preflight_asks_for_the_same(role):
    specs = load(role, "meta/argument_specs.yml")["argument_specs"]
    assert specs["preflight"]["options"] == specs["main"]["options"]


@pytest.mark.parametrize("role", REQUIRED)
def test_every_default_is_commented_and_in_the_readme(role):
    lines = (ROLES / role / "defaults" / "main.yml").read_text().splitlines()
    readme = (ROLES / role / "README.md").read_text()
    for before, line in zip(lines, lines[1:]):
        if line.startswith(role):
            assert before.startswith("# "), line
            assert line.partition(":")[0] in readme, line
