# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a service runs on its files, and when it does not."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest
from ansible_collections.webcallserver.balancer.plugins.module_utils._in_force import Record, differences, parse_record, parse_unit

PROGRAM = Path(__file__).parents[4] / "roles" / "_host" / "files" / "in_force.sh"
RUNNING = {"ActiveState": "active", "InvocationID": "abc"}
A, B = "a" * 64, "b" * 64


def in_force(*arguments, invocation="abc"):
    return subprocess.run(["sh", PROGRAM, *arguments], env=os.environ | {"INVOCATION_ID": invocation}, check=False, capture_output=True, text=True)


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


def test_what_the_program_leaves_is_what_the_module_reads(tmp_path):
    record, file = tmp_path / "record", tmp_path / "a file"
    file.write_text("content")
    assert in_force("take", record, file, tmp_path / "missing").returncode == 0
    assert not record.exists()
    assert in_force("keep", record).returncode == 0
    assert parse_record(record.read_text()) == Record("abc", {str(file): hashlib.sha256(b"content").hexdigest()})
    assert record.stat().st_mode & 0o777 == 0o600
    assert subprocess.run(["sha256sum", "--check", "--status", record], check=False).returncode == 0


def test_what_changes_while_the_service_comes_up_is_not_taken_for_loaded(tmp_path):
    record, file = tmp_path / "record", tmp_path / "file"
    file.write_text("old")
    in_force("take", record, file)
    file.write_text("new")
    in_force("keep", record)
    assert parse_record(record.read_text()).files == {str(file): hashlib.sha256(b"old").hexdigest()}


def test_a_start_that_fails_leaves_what_was_there(tmp_path):
    record, file = tmp_path / "record", tmp_path / "file"
    record.write_text("# before\n")
    file.write_text("content")
    in_force("take", record, file)
    assert record.read_text() == "# before\n"


def test_nothing_taken_is_nothing_to_keep(tmp_path):
    assert in_force("keep", tmp_path / "record").returncode != 0
    assert in_force("look", tmp_path / "record").returncode == 2


@pytest.mark.parametrize("text", ["", "#", "\n\n", "# abc\nno digest\n", f"# abc\n{A}  relative\n", f"# abc\n{A}\u2028 /f"])
def test_what_is_no_record_says_nothing_of_files(text):
    assert parse_record(text).files == {}


def test_unit():
    assert parse_unit("ActiveState=active\nInvocationID=\nExecStart=a=b\n\n") == {"ActiveState": "active", "InvocationID": "", "ExecStart": "a=b"}
