# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no promise of stability to other collections.
"""What a running service was loaded from, beside what lies on disk: text in, sentences out."""

from __future__ import annotations

import re
import typing as t

LINE = re.compile(r"([0-9a-f]{64}) [ *](/.*)")
SHOWN = ("LoadState", "ActiveState", "SubState", "UnitFileState", "NeedDaemonReload", "InvocationID", "MainPID")


class Record(t.NamedTuple):
    """What a unit left when it came up: the invocation, and the SHA-256 of each file by path."""

    invocation: str
    files: dict[str, str]


def parse_record(text: str) -> Record:
    """Read a record as roles/_host/files/in_force.sh writes it; a line of another form counts for nothing."""
    first, _newline, rest = text.partition("\n")
    matches = (LINE.fullmatch(line) for line in rest.split("\n"))
    return Record(first.lstrip("# ").strip(), {match[2]: match[1] for match in matches if match})


def parse_unit(text: str) -> dict[str, str]:
    """Read the output of systemctl show."""
    return dict(line.split("=", 1) for line in text.split("\n") if "=" in line)


def differences(unit: dict[str, str], record: Record | None, files: dict[str, str | None]) -> list[str]:
    """Return why the service does not run on its files, one clause each; empty when it does.

    `files` has the SHA-256 of each file on disk, None where there is none.
    """
    # What a script of old has started counts as active, and as exited once its last process has gone
    if unit.get("ActiveState") not in ("active", "reloading") or unit.get("SubState") == "exited":
        return ["it does not run"]
    if record is None:
        return ["it has not left word of what it was loaded from"]
    if record.invocation != unit.get("InvocationID", ""):
        return ["it was started anew without leaving word of what it was loaded from"]
    found = [
        f"{path} is gone" if digest is None else f"{path} is not what it was loaded from" for path, digest in files.items() if record.files.get(path) != digest
    ]
    return found + [f"it still runs on {path}" for path in sorted(set(record.files) - set(files))]
