# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that take turns, whatever the strategy: one at a time, and none after a failure."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from ansible_collections.webcallserver.balancer.tests.support.paths import COLLECTIONS

HOSTS = ("n1", "n2", "n3")

# Notes begin and end of a host's turn, whose steps run on two hosts
STEP = "echo {host} {step} >>{journal}; sleep 0.3; [ ! -e {directory}/{host}.fails ]"


def play(tmp_path, *arguments, strategy="linear", **options):
    journal = tmp_path / "journal"
    journal.touch()
    step = STEP.format(host="{{ inventory_hostname }}", step="{{ item }}", journal=journal, directory=tmp_path)
    task = {
        "name": "Take turns",
        "webcallserver.balancer.in_turn": {
            "module": "ansible.builtin.command",
            "options": {"_raw_params": step, "_uses_shell": True},
            "optional": "{{ item == 'gone' }}",
        },
        "delegate_to": "{{ {'begin': inventory_hostname, 'gone': 'gone'}[item] | default('lb1') }}",
        "loop": ["begin", "balancer", "gone"] if options.pop("gone", False) else ["begin", "balancer"],
        "loop_control": {"break_when": "turn is failed"},
        "throttle": 1,
        "register": "turn",
    }
    (tmp_path / "play.yml").write_text(json.dumps([{"hosts": "nodes", "gather_facts": False, "strategy": strategy, "tasks": [task], **options}]))
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    inventory = {
        "nodes": {"hosts": dict.fromkeys(HOSTS, here)},
        "others": {"hosts": {"lb1": here, "gone": {"ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_python_interpreter": "/usr/bin/python3"}}},
    }
    (tmp_path / "inventory.json").write_text(json.dumps(inventory))
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", f"--inventory={tmp_path}/inventory.json", str(tmp_path / "play.yml"), *arguments],
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORKS": "5"},
        text=True,
        capture_output=True,
        check=False,
    )
    return done, [line.split() for line in journal.read_text().splitlines()]


def turns(journal):
    """The hosts in their order; a host that comes back after another had its turn is there twice."""
    hosts = [host for host, _step in journal]
    return [host for place, host in enumerate(hosts) if place == 0 or hosts[place - 1] != host]


@pytest.mark.parametrize("options", [{}, {"strategy": "free"}, {"strategy": "host_pinned"}, {"serial": 1}, {"serial": 2}, {"any_errors_fatal": True}])
def test_a_turn_is_over_before_the_next_begins(tmp_path, options):
    done, journal = play(tmp_path, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(turns(journal)) == list(HOSTS)
    assert sorted(journal) == sorted([host, step] for host in HOSTS for step in ("begin", "balancer"))
    assert "RETRYING" not in done.stdout


@pytest.mark.parametrize("options", [{}, {"strategy": "free"}, {"serial": 1}, {"any_errors_fatal": True}])
def test_after_a_failure_nobody_has_a_turn(tmp_path, options):
    for host in HOSTS:
        (tmp_path / f"{host}.fails").touch()
    done, journal = play(tmp_path, **options)
    assert done.returncode != 0
    assert len(journal) == 1 and journal[0][1] == "begin"
    if not options:
        assert "n2 was not touched, since n1, whose turn came before, has failed." in done.stdout


def test_the_limit_leaves_the_others_out(tmp_path):
    done, journal = play(tmp_path, "--limit", "n2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert journal == [["n2", "begin"], ["n2", "balancer"]]


def test_check_mode_does_nothing(tmp_path):
    done, journal = play(tmp_path, "--check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert journal == []


def test_a_host_that_is_optional_may_be_gone(tmp_path):
    done, journal = play(tmp_path, "--limit", "n1", gone=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "was not asked" in done.stdout + done.stderr
    assert journal == [["n1", "begin"], ["n1", "balancer"]]


def test_after_a_host_that_root_cannot_be_had_on_nobody_has_a_turn(tmp_path):
    done, journal = play(tmp_path, "-e", "ansible_become=true ansible_become_user=daemon ansible_become_exe=/bin/false")
    assert done.returncode != 0
    assert journal == []
    assert "n2 was not touched, since n1, whose turn came before, has failed." in done.stdout
