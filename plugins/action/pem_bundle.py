# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a bundle of texts on the controller, and sends it, key included, only to a host that has another one."""

from __future__ import annotations

import hashlib
import typing as t
from datetime import datetime, timezone

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase

from ..module_utils._bundle import OPTIONS, Bundle, bundle, described, results, warnings
from ..module_utils._pem import WANTED, Material, PemError


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        given = {name: value for name, value in self._task.args.items() if value is not None}
        asked = ArgumentSpecValidator(OPTIONS).validate({name: given[name] for name in OPTIONS if name in given})
        if asked.error_messages or "certificate_content" not in given or not given.keys().isdisjoint([*WANTED, "sha256"]):
            # Files of the host, or what the module refuses.
            return self._on_host(given, task_vars)

        options, now = asked.validated_parameters, datetime.now(timezone.utc)
        texts = {f"{option}_content": wanted for option, wanted in WANTED.items()}
        material = [Material(name, "", wanted, str(given[name]).encode("utf-8", "surrogateescape")) for name, wanted in texts.items() if name in given]
        try:
            made = bundle(material, now, options["domain"], options["include_root"])
        except PemError as problem:
            return {"failed": True, "changed": False, "msg": str(problem)}
        place = {name: value for name, value in given.items() if name not in (*OPTIONS, *texts)}
        place["sha256"] = hashlib.sha256(made.data).hexdigest()
        result = self._on_host(place, task_vars)
        if result.get("bundle_changed") and not self._task.check_mode:
            result = self._on_host({**place, "certificate_content": made.data.decode("ascii")}, task_vars)
        return completed(result, made, now, options["warn_days"])

    def _on_host(self, arguments: dict[str, t.Any], task_vars: dict[str, t.Any] | None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = self._execute_module("webcallserver.balancer.pem_bundle", module_args=arguments, task_vars=task_vars)
        return result


def completed(result: dict[str, t.Any], made: Bundle, now: datetime, warn_days: int) -> dict[str, t.Any]:
    """The result of the host with what only the controller knows of the bundle."""
    if result.get("failed"):
        return result
    if result["bundle_changed"]:
        result["diff"][0]["after"] = described(made.data)
    result["warnings"] = [*result.get("warnings", []), *warnings(made, now, warn_days)]
    return {**result, **results(made, now)}
