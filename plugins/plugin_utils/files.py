# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no promise of stability to other collections.
"""Files and directories of a host beside what they should be, a clause for each that differs."""

from __future__ import annotations

import hashlib
import typing as t

# A file or directory as it should be: path, mode, and maybe owner, group (both root) and content, which a directory has none of
Entry = t.Mapping[str, t.Any]
# The same as module_utils/_files.py saw it
State = t.Mapping[str, t.Any]

ABSENT = "it is not there"
# What nobody replaces without a word
OTHER = "it is something else"


def difference(entry: Entry, state: State) -> str:
    """Return what is not as it should be, '' where all is. A link in the place of a directory may lead to one."""
    content = entry.get("content")
    if "problem" in state:
        return f"it cannot be judged: {state['problem']}"
    if content is None and state["kind"] == "link":
        state = state["target"]
    kind = state["kind"]
    if kind == "absent":
        return ABSENT
    if content is not None and kind == "link":
        return "it is a link"
    if kind != ("directory" if content is None else "file"):
        return OTHER
    if content is not None and state["sha256"] != hashlib.sha256(str(content).encode()).hexdigest():
        return "its content differs"
    if (state["owner"], state["group"]) != (entry.get("owner", "root"), entry.get("group", "root")):
        return "it belongs to somebody else"
    if int(state["mode"], 8) != int(str(entry["mode"]), 8):
        return "its permissions differ"
    return "its label differs" if entry.get("labelled") and state.get("mislabelled") else ""


def differences(entries: t.Iterable[Entry], states: t.Mapping[str, State]) -> dict[str, str]:
    """Return what is not as it should be, by path, in the order of the entries; a path that was not looked at is among it."""
    found = {entry["path"]: difference(entry, states.get(entry["path"], {"problem": "nobody looked at it"})) for entry in entries}
    return {path: clause for path, clause in found.items() if clause}
