# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node answers is taken for what it is, within bounds."""

from __future__ import annotations

import io
import time

import pytest
from ansible_collections.webcallserver.balancer.plugins.modules import wcs_node_info
from ansible_collections.webcallserver.balancer.plugins.modules.wcs_node_info import NoAnswer, decode, mappings, read, status


@pytest.mark.parametrize("text", ["", "<html>", b"\xff\xfe", "[" * 100000, "{", "nul"])
def test_what_is_no_json_is_named(text):
    with pytest.raises(NoAnswer, match="not JSON"):
        decode(text)


def test_a_number_of_a_million_digits_costs_nothing():
    begin = time.monotonic()
    assert decode(f'[{{"id": {"9" * 1_000_000}, "n": -12}}]')[0]["n"] == -12
    assert time.monotonic() - begin < 2


@pytest.mark.parametrize("found", [None, {}, "x", 1, [1], [{}, "x"], [[{}]], True])
def test_what_is_no_list_of_objects_is_named(found):
    with pytest.raises(NoAnswer, match="list of objects"):
        mappings(found)


def test_a_list_of_objects():
    assert mappings([{"name": "x"}, {}]) == [{"name": "x"}, {}]


@pytest.mark.parametrize("output", ["", "null", "[]", "{}", '{"statistics": null}', '{"statistics": []}', '{"statistics": "x"}'])
def test_an_agent_that_is_none_is_named(output):
    with pytest.raises(NoAnswer):
        status(output)


def test_what_the_agent_says():
    assert status('{"statistics": {"connection": {}}, "state": "up"}')["state"] == "up"


def test_an_answer_that_is_too_large_is_given_up(monkeypatch):
    monkeypatch.setattr(wcs_node_info, "LARGEST", 100000)
    with pytest.raises(NoAnswer, match="larger"):
        read(io.BytesIO(b"x" * 200000), time.monotonic() + 10)


def test_an_answer_that_drips_is_given_up():
    with pytest.raises(NoAnswer, match="longer"):
        read(io.BytesIO(b"x" * 200000), time.monotonic() - 1)
