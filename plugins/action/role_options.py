# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's side of the module role_options, which has no other."""

from __future__ import annotations

import typing as t
from pathlib import Path

import yaml
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ..plugin_utils.options import OptionsError, cast, misspelt
from ..plugin_utils.run import SPECS, variable_problems

ROLES = Path(__file__).resolve().parents[2] / "roles"


class ActionModule(ActionBase):
    """Read the options of a role from the host's variables."""

    TRANSFERS_FILES = False
    _VALID_ARGS = frozenset({"role"})

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec({"role": {"type": "str", "required": True}})
        role, variables = arguments["role"], task_vars or {}
        prefix = f"{role}_"
        try:
            specs = yaml.safe_load((ROLES / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]["main"]["options"]
        except OSError:
            raise AnsibleActionFail(f"role is {role}, which is no role of this collection.") from None
        problems = misspelt(prefix, specs, variables)
        problems += variable_problems({name: self._templar.template(variables[name]) for name in SPECS if name in variables})
        try:
            options = cast(specs, {name: self._templar.template(variables[name]) for name in specs if name in variables})
        except OptionsError as error:
            problems.append(str(error))
        if problems:
            raise AnsibleActionFail(f"{' '.join(problems)} What each may be: ansible-doc -t role webcallserver.balancer.{role}")
        # Among them may be keys and passwords
        return {**result, "changed": False, "options": {name.removeprefix(prefix): value for name, value in options.items()}, "_ansible_no_log": True}
