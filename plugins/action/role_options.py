# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's side of the module role_options, which has no other."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ..plugin_utils.options import OptionsError
from ..plugin_utils.role import role_options


class ActionModule(ActionBase):
    """Read the options of a role from the host's variables."""

    TRANSFERS_FILES = False
    _VALID_ARGS = frozenset({"role"})

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec({"role": {"type": "str", "required": True}})
        try:
            options = role_options(arguments["role"], task_vars or {}, self._templar.template)
        except OptionsError as error:
            raise AnsibleActionFail(str(error)) from None
        # Among them may be keys and passwords
        return {**result, "changed": False, "options": options, "_ansible_no_log": True}
