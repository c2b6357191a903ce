# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's side of the module role_look, which has no other."""

from __future__ import annotations

import hashlib
import json
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ..plugin_utils.options import OptionsError
from ..plugin_utils.role import role_options


class ActionModule(ActionBase):
    """Read the options of a role, and ask the host what the role has to know of it, unless that was done for the same options."""

    _VALID_ARGS = frozenset({"role", "reuse"})

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec({"role": {"type": "str", "required": True}, "reuse": {"type": "bool", "default": False}})
        role, variables = arguments["role"], dict(task_vars or {})
        try:
            options = role_options(role, variables, self._templar.template)
        except OptionsError as error:
            raise AnsibleActionFail(str(error)) from None
        seen = variables.get(f"__{role}_seen") or {}
        label = hashlib.sha256(json.dumps(options, sort_keys=True, default=str).encode()).hexdigest()
        if arguments["reuse"] and seen.get("label") == label and not seen["used"]:
            return {**result, **seen, "used": True, "reused": True, "changed": False, "_ansible_no_log": True}
        questions = self._templated(f"__{role}_questions", {**variables, f"__{role}_seen": {"options": options}})
        answers: dict[str, t.Any] = self._execute_module("webcallserver.balancer.host_look", questions, task_vars=task_vars)
        if answers.get("failed") or "files" not in answers:
            return {**result, **answers, "failed": True}
        seen = {**answers, "options": options, "label": label, "used": arguments["reuse"], "reused": False}
        if f"__{role}_plan_now" in variables:
            facts = {name.removeprefix("ansible_"): value for name, value in answers.get("ansible_facts", {}).items()}
            known = {**variables, f"__{role}_seen": seen, "ansible_facts": {**variables.get("ansible_facts", {}), **facts}}
            seen["plan"] = self._templated(f"__{role}_plan_now", known)
        # Among the options may be keys and passwords
        return {**result, **seen, "changed": False, "_ansible_no_log": True}

    def _templated(self, name: str, variables: dict[str, t.Any]) -> t.Any:
        """What a variable of the role is, with others that no task has registered yet."""
        return self._templar.copy_with_new_env(available_variables=variables).template(variables[name])
