# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a host beside what they should be."""

from __future__ import annotations

import hashlib
import os

import pytest
from ansible_collections.webcallserver.balancer.plugins.module_utils._files import state
from ansible_collections.webcallserver.balancer.plugins.plugin_utils.files import difference, differences

FILE = {"path": "/etc/settings", "mode": "0644", "content": "a = 1\n"}
DIRECTORY = {"path": "/etc/example", "mode": "0755"}
A_FILE = {"kind": "file", "mode": "0644", "owner": "root", "group": "root", "sha256": hashlib.sha256(b"a = 1\n").hexdigest()}
A_DIRECTORY = {"kind": "directory", "mode": "0755", "owner": "root", "group": "root"}
A_LINK = {"kind": "link", "mode": "0777", "owner": "root", "group": "root"}

CASES = {
    "a file as it should be": (FILE, A_FILE, ""),
    "a directory as it should be": (DIRECTORY, A_DIRECTORY, ""),
    "no file": (FILE, {"kind": "absent"}, "it is not there"),
    "no directory": (DIRECTORY, {"kind": "absent"}, "it is not there"),
    "another content": (FILE, A_FILE | {"sha256": "0" * 64}, "its content differs"),
    "a file that is too large for a digest": (FILE, A_FILE | {"sha256": ""}, "its content differs"),
    "another owner": (FILE, A_FILE | {"owner": "wcs"}, "it belongs to somebody else"),
    "another group": (DIRECTORY, A_DIRECTORY | {"group": "1000"}, "it belongs to somebody else"),
    "an owner of its own": (FILE | {"owner": "wcs"}, A_FILE | {"owner": "wcs"}, ""),
    "other permissions": (FILE, A_FILE | {"mode": "0664"}, "its permissions differ"),
    "a set-uid bit": (FILE, A_FILE | {"mode": "4644"}, "its permissions differ"),
    "permissions written another way": (FILE | {"mode": "644"}, A_FILE, ""),
    "a link in place of a file": (FILE, A_LINK | {"target": A_FILE}, "it is a link"),
    "a link to a directory": (DIRECTORY, A_LINK | {"target": A_DIRECTORY}, ""),
    "a link to a directory that others may write": (DIRECTORY, A_LINK | {"target": A_DIRECTORY | {"mode": "0777"}}, "its permissions differ"),
    "a link to nothing in place of a directory": (DIRECTORY, A_LINK | {"target": {"kind": "absent"}}, "it is not there"),
    "a link to a file in place of a directory": (DIRECTORY, A_LINK | {"target": A_FILE}, "it is something else"),
    "a pipe": (FILE, {"kind": "other", "mode": "0644", "owner": "root", "group": "root"}, "it is something else"),
    "a directory in place of a file": (FILE, A_DIRECTORY, "it is something else"),
    "a file in place of a directory": (DIRECTORY, A_FILE, "it is something else"),
    "another label": (FILE | {"labelled": True}, A_FILE | {"mislabelled": True}, "its label differs"),
    "a label that nobody asked for": (FILE, A_FILE | {"mislabelled": True}, ""),
    "what cannot be looked at": (FILE, {"problem": "[Errno 5] Input/output error"}, "it cannot be judged: [Errno 5] Input/output error"),
}


@pytest.mark.parametrize(("entry", "seen", "clause"), CASES.values(), ids=CASES)
def test_what_differs_has_one_clause(entry, seen, clause):
    assert difference(entry, seen) == clause


def test_what_nobody_looked_at_is_not_taken_for_good():
    assert differences([FILE, DIRECTORY], {"/etc/example": A_DIRECTORY}) == {"/etc/settings": "it cannot be judged: nobody looked at it"}


def test_what_lies_at_a_path_is_seen_as_it_is(tmp_path):
    file, directory, link, dangling, pipe = (tmp_path / name for name in ("file", "directory", "link", "dangling", "pipe"))
    file.write_text("a = 1\n")
    file.chmod(0o640)
    directory.mkdir(mode=0o700)
    link.symlink_to(directory)
    dangling.symlink_to(tmp_path / "nothing")
    os.mkfifo(pipe)
    assert (state(str(file))["kind"], state(str(file))["mode"], state(str(file))["sha256"]) == ("file", "0640", A_FILE["sha256"])
    assert (state(str(directory))["kind"], state(str(directory))["mode"]) == ("directory", "0700")
    assert (state(str(link))["kind"], state(str(link))["target"]["kind"], state(str(dangling))["target"]) == ("link", "directory", {"kind": "absent"})
    assert state(str(pipe))["kind"] == "other"
    assert state(str(tmp_path / "nothing")) == state(str(file / "below")) == {"kind": "absent"}
