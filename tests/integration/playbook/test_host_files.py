# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and directories that are put in place after one look: all of them at first, then those that somebody has changed."""

from __future__ import annotations

import getpass
import grp
import json
import os
import subprocess
import sys

import pytest
from ansible_collections.webcallserver.balancer.tests.support.paths import COLLECTIONS

ME = {"owner": getpass.getuser(), "group": grp.getgrgid(os.getgid()).gr_name}
CONTENT = '{"looks": "like JSON"}\nand has a last line: ü\n'


@pytest.fixture
def place(tmp_path):
    """A function that runs the module, and returns what it said of the paths, or its error."""
    home = tmp_path / "home"

    def run(*arguments, files=None):
        files = files or [
            {"path": str(home), "mode": "0755"},
            {"path": str(home / "secret"), "mode": "0700"},
            {"path": str(home / "settings"), "mode": "0644", "content": CONTENT, "validate": "grep -q looks %s"},
            {"path": str(home / "secret" / "program"), "mode": "0755", "content": "#!/bin/sh\n"},
        ]
        task = {"name": "Put in place", "webcallserver.balancer.host_files": {"files": [entry | ME for entry in files]}, "register": "done"}
        said = {"name": "Say", "ansible.builtin.copy": {"content": "{{ done | to_json }}", "dest": str(tmp_path / "said")}, "check_mode": False}
        play = [{"hosts": "localhost", "gather_facts": False, "tasks": [task | {"ignore_errors": True}, said]}]
        (tmp_path / "play.yml").write_text(json.dumps(play))
        subprocess.run(
            [sys.executable, "-m", "ansible", "playbook", "--inventory=localhost,", "--connection=local", str(tmp_path / "play.yml"), *arguments],
            env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "ANSIBLE_PYTHON_INTERPRETER": sys.executable},
            check=True,
            capture_output=True,
        )
        return json.loads((tmp_path / "said").read_text())

    run.home = home
    return run


def seen(home):
    """Every path below with its kind, permissions and content."""
    return {
        str(path.relative_to(home.parent)): (oct(path.lstat().st_mode), path.read_text(encoding="utf-8") if path.is_file() else None)
        for path in [home, *home.rglob("*")]
    }


def replaced_by_a_link(home):
    (home.parent / "elsewhere").write_text(CONTENT, encoding="utf-8")
    (home / "settings").unlink()
    (home / "settings").symlink_to(home.parent / "elsewhere")


DRIFT = {
    "content": (lambda home: (home / "settings").write_text("looks changed"), "settings", "its content differs"),
    "a byte more": (lambda home: (home / "settings").write_text(CONTENT + " ", encoding="utf-8"), "settings", "its content differs"),
    "permissions": (lambda home: (home / "settings").chmod(0o666), "settings", "its permissions differ"),
    "gone": (lambda home: (home / "settings").unlink(), "settings", "it is not there"),
    "a link": (replaced_by_a_link, "settings", "it is a link"),
    "a directory that others may read": (lambda home: (home / "secret").chmod(0o755), "secret", "its permissions differ"),
}


def test_what_is_not_there_is_made_and_what_somebody_changes_is_mended(place):
    assert not place("--check").get("failed") and not place.home.exists()
    first = place()
    assert first["changed"] and list(first["paths"]) == [str(place.home), *(f"{place.home}/{name}" for name in ("secret", "settings", "secret/program"))]
    whole = seen(place.home)
    assert whole["home/settings"] == ("0o100644", CONTENT) and whole["home/secret"][0] == "0o40700"
    again = place()
    assert not again["changed"] and again["paths"] == {} and seen(place.home) == whole
    for change, path, reason in DRIFT.values():
        change(place.home)
        drifted = seen(place.home) if path != "settings" or (place.home / "settings").is_file() else None
        foretold = place("--check", "--diff")
        assert (foretold["changed"], foretold["paths"]) == (True, {f"{place.home}/{path}": reason})
        assert drifted is None or seen(place.home) == drifted
        assert place()["paths"] == {f"{place.home}/{path}": reason}
        assert seen(place.home) == whole
    assert (place.home.parent / "elsewhere").read_text(encoding="utf-8") == CONTENT


def test_what_cannot_be_is_said_and_the_old_file_stays(place):
    place()
    refused = place(files=[{"path": f"{place.home}/settings", "mode": "0644", "content": "nothing", "validate": "grep -q looks %s"}])
    assert refused["failed"] and f"{place.home}/settings: " in refused["msg"]
    assert (place.home / "settings").read_text(encoding="utf-8") == CONTENT
    for other in ("a directory", "a pipe"):
        path = place.home / other
        path.mkdir() if other == "a directory" else os.mkfifo(path)
        assert place(files=[{"path": str(path), "mode": "0644", "content": "x"}])["msg"] == f"{path} is not a file, as it should be: move it away."
    assert place(files=[{"path": f"{place.home}/settings", "mode": "0755"}])["msg"].endswith("settings is not a directory, as it should be: move it away.")
