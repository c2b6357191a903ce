# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of a role by type, and names that are almost right."""

from __future__ import annotations

import pytest
from ansible_collections.webcallserver.balancer.plugins.plugin_utils.options import OptionsError, cast, misspelt

SPECS = {
    "r_flag": {"type": "bool", "default": True},
    "r_port": {"type": "int", "default": 443},
    "r_share": {"type": "float"},
    "r_name": {"type": "str"},
    "r_kind": {"type": "str", "choices": ["a", "b"], "default": "a"},
    "r_list": {"type": "list", "elements": "int", "default": []},
    "r_limits": {"type": "dict", "default": {"cpu": 90}, "options": {"cpu": {"type": "float"}, "hls": {"type": "int"}}},
    "r_rows": {"type": "list", "elements": "dict", "options": {"on": {"type": "bool", "required": True}, "way": {"type": "str", "default": "tcp"}}},
}
DEFAULTS = {"r_flag": True, "r_port": 443, "r_kind": "a", "r_list": [], "r_limits": {"cpu": 90.0}}


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("r_flag", "false", False),
        ("r_flag", "no", False),
        ("r_flag", "0", False),
        ("r_flag", "True", True),
        ("r_flag", False, False),
        ("r_port", "8443", 8443),
        ("r_port", 8443, 8443),
        ("r_share", "0.5", 0.5),
        ("r_share", 1, 1.0),
        ("r_name", 12, "12"),
        ("r_name", "", ""),
        ("r_list", "1,2", [1, 2]),
        ("r_list", ["1", 2], [1, 2]),
        ("r_list", (1,), [1]),
        ("r_limits", {"hls": "7"}, {"hls": 7}),
        ("r_limits", '{"cpu": "70"}', {"cpu": 70.0}),
        ("r_rows", [{"on": "off"}], [{"on": False, "way": "tcp"}]),
    ],
)
def test_a_value_is_of_its_options_type(name, given, value):
    options = cast(SPECS, {name: given, "other": 1})
    assert options == DEFAULTS | {name: value}
    assert type(options[name]) is type(value)


def test_null_means_that_nobody_gave_it():
    assert cast(SPECS, {"r_flag": None, "r_name": None}) == DEFAULTS


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("r_flag", "maybe"),
        ("r_flag", 7),
        ("r_port", "443x"),
        ("r_port", "44.3"),
        ("r_share", "half"),
        ("r_kind", "c"),
        ("r_list", ["x"]),
        ("r_limits", "no mapping"),
        ("r_limits", {"cpu": "high"}),
        ("r_limits", {"gpu": 1}),
        ("r_rows", [{}]),
        ("r_rows", ["text"]),
    ],
)
def test_what_cannot_be_cast_is_refused_by_name(name, given):
    with pytest.raises(OptionsError) as error:
        cast(SPECS, {name: given})
    assert name in str(error.value) or name == "r_rows", str(error.value)


def test_the_values_that_were_given_stay_as_they_were():
    given = {"r_limits": {"cpu": "70"}, "r_rows": [{"on": "yes"}]}
    cast(SPECS, given)
    assert given == {"r_limits": {"cpu": "70"}, "r_rows": [{"on": "yes"}]}


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("lb_maxcon", "lb_maxconn"),
        ("lb_max_conn", "lb_maxconn"),
        ("lb_binds", "lb_bind"),
        ("lb_timeout_tunel", "lb_timeout_tunnel"),
        ("lb_maxconn", None),
        ("lb_timeout", "lb_timeout_tunnel"),
        ("lb_cert", "lb_certificate or lb_extra_certificates"),
        ("lb_key", "lb_private_key"),
        ("lb_conn_max", None),
        ("lb_my_own_note", None),
        ("lb_address", None),
        ("other_maxcon", None),
    ],
)
def test_misspelt(name, meant):
    known = ["lb_bind", "lb_certificate", "lb_extra_certificates", "lb_maxconn", "lb_private_key", "lb_timeout_tunnel"]
    assert misspelt("lb_", known, [name, "lb_bind", "x"]) == ([f"{name} is no variable of this role: did you mean {meant}?"] if meant else [])


@pytest.mark.parametrize(("name", "meant"), [("lb_maxcon", True), ("lb_key", False)])
def test_misspelt_closely(name, meant):
    assert bool(misspelt("lb_", ["lb_maxconn", "lb_private_key"], [name], closely=True)) is meant
