# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a service runs on its files, and when it does not."""

from __future__ import annotations

import pytest
from ansible_collections.webcallserver.balancer.plugins.module_utils._in_force import Record, differences, parse_record, parse_unit

RUNNING = {"ActiveState": "active", "InvocationID": "abc"}
A, B = "a" * 64, "b" * 64


@pytest.mark.parametrize(
    ("unit", "record", "files", "reasons"),
    [
        (RUNNING, Record("abc", {"/f": A}), {"/f": A}, []),
        (RUNNING | {"ActiveState": "reloading"}, Record("abc", {"/f": A}), {"/f": A}, []),
        (RUNNING, Record("abc", {"/f": A}), {"/f": B}, ["/f is not what it was loaded from"]),
        (RUNNING, Record("abc", {"/f": A}), {"/f": None}, ["/f is gone"]),
        (RUNNING, Record("abc", {"/f": A}), {"/f": A, "/g": B}, ["/g is not what it was loaded from"]),
        (RUNNING, Record("abc", {"/f": A, "/g": B}), {"/f": A}, ["it still runs on /g"]),
        (RUNNING, Record("abc", {}), {"/f": None}, []),
        (RUNNING, None, {"/f": A}, ["it has not left word of what it was loaded from"]),
        (RUNNING, Record("old", {"/f": A}), {"/f": A}, ["it was started anew without leaving word of what it was loaded from"]),
        (RUNNING | {"SubState": "running"}, Record("abc", {"/f": A}), {"/f": A}, []),
        (RUNNING | {"SubState": "exited"}, Record("abc", {"/f": A}), {"/f": A}, ["it does not run"]),
        ({"ActiveState": "failed"}, Record("abc", {"/f": A}), {"/f": A}, ["it does not run"]),
        ({}, None, {}, ["it does not run"]),
    ],
)
def test_differences(unit, record, files, reasons):
    assert differences(unit, record, files) == reasons


@pytest.mark.parametrize("text", ["", "#", "\n\n", "# abc\nno digest\n", f"# abc\n{A}  relative\n", f"# abc\n{A}\u2028 /f"])
def test_what_is_no_record_says_nothing_of_files(text):
    assert parse_record(text).files == {}


def test_unit():
    assert parse_unit("ActiveState=active\nInvocationID=\nExecStart=a=b\n\n") == {"ActiveState": "active", "InvocationID": "", "ExecStart": "a=b"}
