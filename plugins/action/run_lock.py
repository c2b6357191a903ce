# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's side of the module run_lock: who asks, and whether the one in the way still lives."""

from __future__ import annotations

import getpass
import os
import platform
import time
import typing as t
from pathlib import Path

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase

from ..plugin_utils.run import kind_of_failure


def place() -> str:
    """Where process numbers mean the same: this boot of this machine, and this namespace of processes."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return platform.node()


def started(pid: int) -> str:
    """When a process started, in ticks of this boot; '' when there is none, or where nobody can say."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def claim() -> dict[str, t.Any]:
    """This run. A task is worked on in a child of ansible-playbook's process."""
    pid = os.getppid()
    ticks = started(pid)
    begun = time.time()
    if ticks:
        begun += int(ticks) / os.sysconf("SC_CLK_TCK") - time.clock_gettime(time.CLOCK_BOOTTIME)
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return {"run": f"{place()} {pid} {ticks}", "who": f"{user} on {platform.node()}, process {pid}", "begun": round(begun, 1)}


def has_ended(run: str) -> bool:
    """Whether a run was one of this machine's, and its process is gone."""
    where, _space, process = run.rpartition(" ")
    where, _space, pid = where.rpartition(" ")
    return bool(process) and pid.isdigit() and where == place() and started(int(pid)) != process


class ActionModule(ActionBase):
    """Claim a host, or give it back; what stands in the way is returned and never an error."""

    TRANSFERS_FILES = False
    _VALID_ARGS = frozenset({"state", "patience", "path"})

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        arguments = {**self._task.args, "claim": claim()}
        try:
            answer = self._execute_module("webcallserver.balancer.run_lock", arguments, task_vars=task_vars)
            held = str((answer.get("holder") or {}).get("run", ""))
            if held and has_ended(held):
                answer = self._execute_module("webcallserver.balancer.run_lock", {**arguments, "dead": held}, task_vars=task_vars)
        except AnsibleConnectionFailure as error:
            return {**result, "changed": False, "problem": kind_of_failure(str(error), "unreachable"), "detail": str(error)}
        except AnsibleError as error:
            return {**result, "changed": False, "problem": kind_of_failure(str(error), "failed"), "detail": str(error)}
        if "problem" not in answer:
            detail = str(answer.get("module_stderr") or answer.get("module_stdout") or answer.get("msg") or "no answer")
            return {**result, "changed": False, "problem": kind_of_failure(detail, "failed"), "detail": detail}
        kept = ("problem", "detail", "holder", "minutes", "path")
        return {**result, "changed": False, **{key: answer[key] for key in kept if key in answer}}
