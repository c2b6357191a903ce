# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's side of the module in_turn, which has no other."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible import constants as C
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Run a module, unless it has failed on another host of this run."""

    _VALID_ARGS = frozenset({"module", "options", "optional"})

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        spec = {"module": {"type": "str", "required": True}, "options": {"type": "dict", "default": {}}, "optional": {"type": "bool", "default": False}}
        _validation, arguments = self.validate_argument_spec(spec)
        variables = task_vars or {}
        host = variables["inventory_hostname"]
        # The directory of this run, which all of its processes share
        failed = Path(C.DEFAULT_LOCAL_TMP) / "in_turn.failed"
        if failed.exists() and failed.read_text(encoding="utf-8") != host:
            return {**result, "failed": True, "msg": f"{host} was not touched, since {failed.read_text(encoding='utf-8')}, whose turn came before, has failed."}
        try:
            done = self._execute_module(module_name=arguments["module"], module_args=arguments["options"], task_vars=variables)
        except AnsibleError as error:
            if arguments["optional"] and isinstance(error, AnsibleConnectionFailure):
                return {**result, "changed": False, "warnings": [f"A host was not asked, since it cannot be reached: {error.message}"]}
            failed.write_text(host, encoding="utf-8")
            raise
        if done.get("failed"):
            failed.write_text(host, encoding="utf-8")
        return {**result, **done}
