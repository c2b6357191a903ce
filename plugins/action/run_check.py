# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's side of the module run_check, which has no other."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars

from ..plugin_utils.run import FROM_THE_COMMAND_LINE, run_problems


class ActionModule(ActionBase):
    """Refuse a run that would do nothing, or something else than it says."""

    TRANSFERS_FILES = False
    _VALID_ARGS = frozenset({"parts"})

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec({"parts": {"type": "list", "elements": "str", "required": True}})
        variables = dict(task_vars or {})
        ours = [name for name in variables if name.startswith("wcs_")]
        given = {name: self._templar.template(variables[name]) for name in ours if not name.startswith("wcs_node_")}
        options = {name: variables.get(name) for name in ("ansible_run_tags", "ansible_skip_tags", "ansible_limit") if name in variables}
        extra = load_extra_vars(self._loader)
        hostvars = variables.get("hostvars", {})
        inventory = [name for name in FROM_THE_COMMAND_LINE if name not in extra and any(name in hostvars[host] for host in hostvars)]
        problems = run_problems(arguments["parts"], given | options, variables.get("groups", {}), variables.get("ansible_play_hosts_all", []), inventory)
        if problems:
            raise AnsibleActionFail(" ".join(problems))
        return {**result, "changed": False}
