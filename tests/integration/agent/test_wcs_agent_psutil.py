# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent where psutil is missing, or cannot be used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.webcallserver.balancer.roles.wcs_node.files import wcs_agent as agent


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "psutil is missing: install python3-psutil"),
        ("", "psutil is missing: install python3-psutil"),
        ("raise ImportError('made for another Python')", "psutil cannot be used, install python3-psutil anew: made for another Python"),
        ("import nothing_of_this_name", "psutil lacks nothing_of_this_name"),
        ("1/0", "psutil cannot be used, install python3-psutil anew: division by zero"),
    ],
)
def test_without_psutil_the_node_is_out_and_says_why(tmp_path, content, sentence):
    """In a process of its own, whose only packages are ours."""
    (tmp_path / "psutil").mkdir()
    if content is not None:
        (tmp_path / "psutil" / "__init__.py").write_text(content)
    program = f"""
import sys; sys.path.insert(0, {str(Path(agent.__file__).parent)!r})
import wcs_agent
before = list(sys.path)
wcs_agent.PSUTIL_FROM = ({str(tmp_path)!r},)
watched = wcs_agent.Agent(wcs_agent.make_settings({{"limits": {{"publishers": 9}}, "statistics": {{"port": 1, "timeout": 0.05}}}}), {str(tmp_path)!r})
watched.meter.prime()
wcs_agent.fetch = lambda *_source: wcs_agent.Page(b"streams_hls=1")
watched.tick()
assert sys.path == before
print(watched.line())
wcs_agent.PSUTIL_FROM = wcs_agent.distribution_packages()
watched.tick()
watched.tick()
print(watched.line())
"""
    said = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True).stdout
    assert said == f"down #{sentence}\nup 100%\n"
