# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a service leaves of the files it runs on, by the program that its unit calls."""

from __future__ import annotations

import hashlib
import os
import subprocess

from ansible_collections.webcallserver.balancer.plugins.module_utils._in_force import Record, parse_record
from ansible_collections.webcallserver.balancer.tests.support.paths import ROLES

PROGRAM = ROLES / "_host" / "files" / "in_force.sh"


def in_force(*arguments, invocation="abc"):
    return subprocess.run(["sh", PROGRAM, *arguments], env=os.environ | {"INVOCATION_ID": invocation}, check=False, capture_output=True, text=True)


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
