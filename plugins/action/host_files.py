# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's side of the module host_files: it sends what the host has not."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ..plugin_utils.files import ABSENT, OTHER, differences

Entry = t.Dict[str, t.Any]


class ActionModule(ActionBase):
    """Ask the host about all files at once, and let Ansible's own modules write those that differ."""

    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        files: list[Entry] = [dict(entry) for entry in self._task.args.get("files", [])]
        asked = {"files": [entry["path"] for entry in files], "labels": [entry["path"] for entry in files if entry.get("labelled")]}
        seen: dict[str, t.Any] = self._execute_module("webcallserver.balancer.host_look", asked, task_vars=task_vars)
        if seen.get("failed"):
            return {**result, **seen}
        paths = differences(files, seen["files"])
        diffs: list[t.Any] = []
        for entry in files:
            reason = paths.get(entry["path"])
            if reason is None:
                continue
            if self._task.check_mode and reason == ABSENT:
                # Neither is its directory, perhaps
                diffs.append({"before": "", "after": str(entry.get("content") or ""), "before_header": entry["path"], "after_header": entry["path"]})
                continue
            if reason == OTHER:
                wanted = "a directory" if entry.get("content") is None else "a file"
                return {**result, "changed": bool(diffs), "failed": True, "msg": f"{entry['path']} is not {wanted}, as it should be: move it away."}
            done = self._write(entry, task_vars)
            if done.get("failed"):
                return {**result, "changed": bool(diffs), "failed": True, "msg": f"{entry['path']}: {done.get('msg', 'it could not be written')}"}
            found = done.get("diff") or []
            diffs.extend(found if isinstance(found, list) else [found])
        return {**result, "changed": bool(paths), "paths": paths, "diff": diffs}

    def _write(self, entry: Entry, task_vars: dict[str, t.Any] | None) -> dict[str, t.Any]:
        """Have one of Ansible's own modules make an entry what it should be."""
        attributes = {name: entry.get(name, "root") for name in ("owner", "group")} | {"mode": entry["mode"]}
        if entry.get("labelled"):
            attributes["setype"] = "_default"
        if entry.get("content") is None:
            made: dict[str, t.Any] = self._execute_module(
                "ansible.builtin.file", {"path": entry["path"], "state": "directory", **attributes}, task_vars=task_vars
            )
            return made
        task = self._task.copy()
        task.args = {"content": entry["content"], "dest": entry["path"], "follow": False, **attributes}
        if entry.get("validate"):
            task.args["validate"] = entry["validate"]
        copy = self._shared_loader_obj.action_loader.get(
            "ansible.builtin.copy",
            task=task,
            connection=self._connection,
            play_context=self._play_context,
            loader=self._loader,
            templar=self._templar,
            shared_loader_obj=self._shared_loader_obj,
        )
        written: dict[str, t.Any] = copy.run(task_vars=task_vars)
        return written
