# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A role looks at a host once for the same options, and anew for others or when what was seen has been used."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from ansible_collections.webcallserver.balancer.tests.support.paths import COLLECTIONS


def look(**arguments):
    return {"name": "Look", "webcallserver.balancer.role_look": {"role": "wcs_node"} | arguments, "register": "__wcs_node_seen"}


@pytest.fixture(name="play")
def fixture_play(tmp_path):
    """Run tasks on this machine, and return what was seen after each of them."""
    # What the role would ask, as far as it tells one look from another: the program counts
    questions = {
        "programs": {"count": {"argv": ["sh", "-c", f"echo x >>{tmp_path}/count; wc -l <{tmp_path}/count"]}},
        "facts": ["python"],
    }
    plan = {"name": "{{ __wcs_node_seen.options.service }}", "python": "{{ ansible_facts['python']['version']['major'] }}"}

    def play(*tasks):
        steps = []
        for number, task in enumerate(tasks):
            said = {"content": "{{ __wcs_node_seen | to_json }}", "dest": f"{tmp_path}/said-{number}"}
            steps += [task, {"name": "Say", "ansible.builtin.copy": said}]
        variables = {"__wcs_node_questions": questions, "__wcs_node_plan_now": plan, "ansible_python_interpreter": sys.executable}
        (tmp_path / "play.json").write_text(
            json.dumps([{"hosts": "localhost", "connection": "local", "gather_facts": False, "vars": variables, "tasks": steps}])
        )
        done = subprocess.run(
            [sys.executable, "-m", "ansible", "playbook", "--inventory=localhost,", "-v", str(tmp_path / "play.json")],
            env=os.environ | {"ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS)},
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return [json.loads((tmp_path / f"said-{number}").read_text()) for number in range(len(tasks))], done.stdout

    return play


def test_a_host_is_asked_once_for_the_same_options(play):
    other = look(reuse=True) | {"vars": {"wcs_node_ws_port": 9999}}
    seen, said = play(look(), look(reuse=True), look(reuse=True), look(), other, look(reuse=True) | {"vars": {"wcs_node_properties": {"password": "hush"}}})
    asked = [int(each["programs"]["count"]["stdout"]) for each in seen]
    assert asked == [1, 1, 2, 3, 4, 5], "anew where it was used, where it need not be reused, and for other options"
    assert [each["reused"] for each in seen] == [False, True, False, False, False, False]
    assert seen[4]["options"]["ws_port"] == 9999
    assert {(each["plan"]["name"], int(each["plan"]["python"])) for each in seen} == {("webcallserver", 3)}
    assert "hush" not in said
