# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Both tools give the same verdict on every case, in a plain Python without Ansible."""

from __future__ import annotations

import base64
import fnmatch
import json
import subprocess
import sys
from pathlib import Path

from ansible_collections.webcallserver.balancer.tests.bundle.authorities import NOW, house
from ansible_collections.webcallserver.balancer.tests.bundle.cases import ACCEPTED, REFUSED

CHECKOUT = Path(__file__).resolve().parents[2]
INPUTS = ("certificate", "chain", "private_key")


def plain(options: dict) -> dict:
    """The options of a case as JSON: its material and what is asked of it."""
    given = {name: options.get(name, options.get(f"{name}_content")) for name in INPUTS}
    texts = {name: value.encode() if isinstance(value, str) else value for name, value in given.items() if value is not None}
    return {
        "inputs": {name: base64.b64encode(value).decode() for name, value in texts.items()},
        "domain": options.get("domain"),
        "include_root": options.get("include_root", False),
    }


def test_same_verdicts(tmp_path):
    files = {"no such file", "directory", "device", "10 MB"}
    cases = {case.name: case for case in REFUSED + ACCEPTED if case.name not in files}
    table = {"now": NOW.isoformat(), "cases": {name: plain(case.options(house())) for name, case in cases.items()}}
    (tmp_path / "cases.json").write_text(json.dumps(table))
    command = [sys.executable, "-m", "tests.bundle.verdicts", str(tmp_path / "cases.json")]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    for name, (one, other) in json.loads(done.stdout).items():
        assert one == other
        if cases[name] in REFUSED:
            assert fnmatch.fnmatchcase(one, cases[name].sentence.replace("*/", "")) or "(FILE)" in one
        else:
            assert len(bytes.fromhex(one)) == 32
