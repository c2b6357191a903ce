# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of the module's documentation, as Ansible runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import yaml
from ansible_collections.webcallserver.balancer.plugins.modules import flashphoner_properties
from ansible_collections.webcallserver.balancer.tests.support.paths import COLLECTIONS

CONTENT = b"# WCS\nws.port =8080\ndb.password=hunter2\n"


def test_the_examples_do_what_they_say(tmp_path):
    """The documented tasks as one playbook; the file they mean stands elsewhere, and a file stands in for the restarted service."""
    file = tmp_path / "conf" / "flashphoner.properties"
    file.parent.mkdir()
    file.write_bytes(CONTENT)
    tasks = yaml.safe_load(flashphoner_properties.EXAMPLES)
    old = file.with_name("server.properties")
    old.write_bytes(b"")
    for task in tasks:
        module, options = next((name, task[name]) for name in list(task) if "." in name)
        if module == "ansible.builtin.service":
            task["ansible.builtin.copy"] = {"dest": str(tmp_path / "restarted"), "content": task.pop(module)["state"]}
        elif "path" in options:
            assert Path(options["path"]).name == old.name
            options.update(path=str(old), owner=str(os.getuid()))
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "module_defaults": {"webcallserver.balancer.flashphoner_properties": {"path": str(file)}},
        "tasks": tasks,
    }
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", "--inventory=localhost,", "--connection=local", str(tmp_path / "play.yml")],
        check=True,
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "ANSIBLE_PYTHON_INTERPRETER": sys.executable},
    )
    assert (tmp_path / "restarted").read_text() == "restarted"
    assert file.read_bytes() == CONTENT + (
        b"\n# Added by Ansible (webcallserver.balancer.flashphoner_properties)\nws.map_custom_headers=true\nws.ip_forward_header=X-Client-IP\n"
        b"global_bandwidth_check_enabled=true\nmedia_port_from=31001\nmedia_port_to=32000\n"
    )
    assert old.read_bytes().endswith(b"\nrtsp_auth_password=a # and a = are fine\n")
    assert old.stat().st_mode & 0o7777 == 0o600
    assert len([name for name in os.listdir(file.parent) if name.endswith("~")]) == 1
