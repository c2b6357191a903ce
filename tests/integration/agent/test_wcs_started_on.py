# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program of the drop-in, which root runs on a file in a directory of WCS's user."""

from __future__ import annotations

import os
import subprocess

import pytest
from ansible_collections.webcallserver.balancer.tests.support.paths import ROLES

PROGRAM = ROLES / "wcs_node" / "files" / "started_on.sh"
NOBODY = 65534
ROOT = pytest.mark.skipif(os.getuid() != 0, reason="makes files of another user")


@pytest.fixture(name="conf")
def fixture_conf(tmp_path):
    (tmp_path / "secret").write_text("of root alone\n")
    conf = tmp_path / "conf"
    conf.mkdir()
    if os.getuid() == 0:
        os.chown(conf, NOBODY, NOBODY)
    return conf


def take(conf, umask=0o022):
    copy = conf.parent / "run" / "started-on"
    done = subprocess.run(
        ["sh", "-c", f"umask {umask:o}; exec sh {PROGRAM} {conf}/properties {copy}"],
        env={**os.environ, "INVOCATION_ID": "f00"},
        timeout=20,
        capture_output=True,
        check=False,
    )
    return done, copy


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_copy_for_root_alone_behind_the_invocation(conf, umask):
    (conf / "properties").write_bytes(b"a=1\n\xff")
    done, copy = take(conf, umask)
    assert done.returncode == 0, done.stderr
    assert copy.read_bytes() == b"# f00\na=1\n\xff"
    assert [path.stat().st_mode & 0o777 for path in (copy.parent, copy)] == [0o700, 0o600]


def link(path, target):
    path.symlink_to(target)
    os.chown(path, NOBODY, NOBODY, follow_symlinks=False)


TRAPS = {
    "nothing": lambda path: None,
    "a link of theirs": lambda path: link(path, "../secret"),
    "a link of root's in their directory": lambda path: path.symlink_to("../secret"),
    "a directory": lambda path: path.mkdir(),
    "a FIFO": os.mkfifo,
}


@ROOT
@pytest.mark.parametrize("trap", TRAPS.values(), ids=TRAPS)
def test_what_is_no_file_is_not_copied_and_the_old_copy_is_gone(conf, trap):
    (conf / "properties").write_text("a=1\n")
    take(conf)
    (conf / "properties").unlink()
    trap(conf / "properties")
    _done, copy = take(conf)
    assert not copy.exists() or copy.read_text() == "# f00\n"


def test_no_more_is_read_than_a_properties_file_has(conf):
    (conf / "properties").touch()
    os.truncate(conf / "properties", 1 << 40)
    _done, copy = take(conf)
    assert copy.stat().st_size <= 4 * 1024 * 1024 + 100


@ROOT
def test_an_administrators_link_is_followed(conf, tmp_path):
    (conf / "properties").symlink_to(tmp_path / "secret")
    os.chown(conf, 0, 0)
    _done, copy = take(conf)
    assert copy.read_text() == "# f00\nof root alone\n"
