# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a run that holds hosts goes on: told by its process."""

from __future__ import annotations

import subprocess

from ansible_collections.webcallserver.balancer.plugins.action import run_lock


def test_a_run_of_this_machine_has_ended_when_its_process_has():
    process = subprocess.Popen(["sleep", "60"])
    run = f"{run_lock.place()} {process.pid} {run_lock.started(process.pid)}"
    assert not run_lock.has_ended(run)
    process.kill()
    process.wait()
    assert run_lock.has_ended(run)
