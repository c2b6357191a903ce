# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdicts on every case, in a plain Python without Ansible: of this one, or of the hosts in PEM_BUNDLE_PYTHONS."""

from __future__ import annotations

import base64
import fnmatch
import json
import os
import re
import subprocess
import sys

import pytest
from ansible_collections.webcallserver.balancer.plugins.module_utils._pem import WANTED
from ansible_collections.webcallserver.balancer.tests.support.bundle.authorities import NOW, house
from ansible_collections.webcallserver.balancer.tests.support.bundle.cases import ACCEPTED, REFUSED
from ansible_collections.webcallserver.balancer.tests.support.paths import CHECKOUT

# Commands that run a Python of another host or environment, one a line; the checkout and the temporary directory have to be where they are here.
PYTHONS = os.environ.get("PEM_BUNDLE_PYTHONS", sys.executable).splitlines()


def plain(options: dict) -> dict:
    """The options of a case as JSON: its material and what is asked of it."""
    given = {name: options.get(name, options.get(f"{name}_content")) for name in WANTED}
    texts = {name: value.encode() if isinstance(value, str) else value for name, value in given.items() if value is not None}
    return {
        "inputs": {name: base64.b64encode(value).decode() for name, value in texts.items()},
        "domain": options.get("domain"),
        "include_root": options.get("include_root", False),
    }


@pytest.mark.parametrize("python", PYTHONS)
def test_same_verdicts(python, tmp_path):
    files = {"no such file", "directory", "device", "10 MB"}
    cases = {case.name: case for case in REFUSED + ACCEPTED if case.name not in files}
    table = {"now": NOW.isoformat(), "cases": {name: plain(case.options(house())) for name, case in cases.items()}}
    (tmp_path / "cases.json").write_text(json.dumps(table))
    command = [*python.split(), "-m", "tests.integration.bundle.verdicts", str(tmp_path / "cases.json")]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name, verdict in json.loads(done.stdout).items():
        if cases[name] in REFUSED:
            sentence = re.sub(r"\(\*/\w+\)", "(FILE)", cases[name].sentence).replace("certificate_content", "certificate (FILE)")
            assert fnmatch.fnmatchcase(verdict, sentence), (name, verdict)
        else:
            assert len(verdict) == 64, (name, verdict)
