# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's side of the module run_check, which has no other."""

from __future__ import annotations

import importlib
import sys
import typing as t
from pathlib import Path

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars

from ..plugin_utils.run import FROM_THE_COMMAND_LINE, run_problems


def visit_problems(ca_path: t.Any) -> list[str]:
    """Return a sentence for each thing that a visit from here needs and that is not here."""
    problems = []
    try:
        aiohttp = importlib.import_module("aiohttp")
        if tuple(map(int, aiohttp.__version__.split(".")[:2])) < (3, 7):
            problems.append(f"aiohttp {aiohttp.__version__} is too old for the visit, which needs 3.7 or later: bring {sys.executable} a newer one.")
    except ImportError:
        problems.append(f"The visit needs aiohttp, which {sys.executable} has not: install python3-aiohttp, or with pip where Ansible came with pip.")
    if ca_path and not Path(str(ca_path)).is_file():
        problems.append(f"wcs_verify_ca_path is {ca_path}, and there is no such file here: name one with the authorities that are trusted.")
    return problems


class ActionModule(ActionBase):
    """Refuse a run that would do nothing, or something else than it says."""

    TRANSFERS_FILES = False
    _VALID_ARGS = frozenset({"parts", "plays", "aiohttp"})

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(
            {
                "parts": {"type": "list", "elements": "str", "required": True},
                "plays": {"type": "list", "elements": "str", "default": []},
                "aiohttp": {"type": "bool", "default": False},
            }
        )
        variables = dict(task_vars or {})
        hostvars, groups, extra = variables.get("hostvars", {}), variables.get("groups", {}), load_extra_vars(self._loader)
        # This runs on the controller, which has none of the inventory's variables; verify reads those of balancers, and the roles judge every host's
        balancers = groups.get(str(extra.get("wcs_balancers_group", "wcs_balancers")), [])
        sources = [*(hostvars[host] for host in balancers), {name: self._templar.template(value) for name, value in extra.items()}]
        given = {name: source[name] for source in sources for name in source if name.startswith("wcs_") and not name.startswith("wcs_node_")}
        options = {name: variables.get(name) for name in ("ansible_run_tags", "ansible_skip_tags", "ansible_limit") if name in variables}
        inventory = [name for name in FROM_THE_COMMAND_LINE if name not in extra and any(name in hostvars[host] for host in hostvars)]
        problems = run_problems(arguments["parts"], given | options, groups, variables.get("ansible_play_hosts_all", []), inventory, arguments["plays"])
        if arguments["aiohttp"]:
            problems += visit_problems(given.get("wcs_verify_ca_path"))
        if problems:
            raise AnsibleActionFail(" ".join(problems))
        return {**result, "changed": False}
