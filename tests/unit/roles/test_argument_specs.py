# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a role's defaults say, its argument_specs and its README say too."""

from __future__ import annotations

import re

import pytest
import yaml
from ansible_collections.webcallserver.balancer.tests.support.paths import ROLES

# Options without a default: those that have to be given, and those of single hosts in the inventory
REQUIRED = {
    "wcs_node": (set(), {"wcs_node_address"}),
    "haproxy_lb": ({"haproxy_lb_domain", "haproxy_lb_certificate", "haproxy_lb_private_key"}, {"haproxy_lb_addresses", "haproxy_lb_weight"}),
    "websdk_nginx": (set(), set()),
}


def load(role, name):
    return yaml.safe_load((ROLES / role / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("role", REQUIRED)
def test_defaults_and_argument_specs_are_equal(role):
    options = load(role, "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    assert {name: option["default"] for name, option in options.items() if "default" in option} == load(role, "defaults/main.yml")
    required = {name for name, option in options.items() if option.get("required")}
    assert (required, {name for name, option in options.items() if "default" not in option} - required) == REQUIRED[role]


@pytest.mark.parametrize("role", REQUIRED)
def test_the_preflight_asks_for_the_same(role):
    specs = load(role, "meta/argument_specs.yml")["argument_specs"]
    assert specs["preflight"]["options"] == specs["main"]["options"]


@pytest.mark.parametrize("role", REQUIRED)
def test_the_readme_names_every_variable_and_no_other(role):
    readme = (ROLES / role / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(rf"{role}_\w+", readme)) == set(load(role, "meta/argument_specs.yml")["argument_specs"]["main"]["options"])


@pytest.mark.parametrize("role", REQUIRED)
def test_every_default_is_commented(role):
    lines = (ROLES / role / "defaults" / "main.yml").read_text(encoding="utf-8").splitlines()
    for before, line in zip(lines, lines[1:]):
        if line.startswith(role):
            assert before.startswith("# "), line
