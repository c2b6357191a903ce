# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no promise of stability to other collections.
"""The properties of Web Call Server on its host: the file, what it is to become, and what the running server has read of it."""

from __future__ import annotations

import os
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ._in_force import parse_unit
from ._io import FileError, changed_at, make_directory, read, rehearse, write
from ._properties import hidden, load, merge, pending, refuse_foreign, texts
from ._services import show


class Change(t.NamedTuple):
    """A file of properties, and what it is to become."""

    before: bytes
    after: bytes
    wanted: dict[str, str | None]
    old: dict[str, str]

    @property
    def keys(self) -> list[str]:
        """The properties that will mean something else."""
        return [key for key, value in self.wanted.items() if self.old.get(key) != value]


def plan(path: str, properties: t.Mapping[str, t.Any]) -> Change:
    """Return what setting the properties makes of the file; FileError and PropertiesError for what cannot be."""
    before = read(path)
    if before is None:
        raise FileError(f"{path} does not exist: install Web Call Server on this host first, or name its properties file with 'path'.")
    wanted = texts(dict(properties))
    refuse_foreign(before, wanted)
    return Change(before, merge(before, wanted), wanted, load(before))


class Unit(t.NamedTuple):
    """What systemd says of the server: whether it runs, which invocation that is, and when it began to start, in seconds since 1970."""

    active: bool
    invocation: str
    started_at: float


def unit(module: AnsibleModule, name: str) -> Unit:
    said = parse_unit(show(module, ("ActiveState", "InvocationID", "InactiveExitTimestampMonotonic"), name))
    # By the clock that nobody sets
    ago = time.clock_gettime(time.CLOCK_MONOTONIC) - int(said.get("InactiveExitTimestampMonotonic") or 0) / 1e6
    return Unit(said.get("ActiveState") in ("active", "activating", "reloading"), said.get("InvocationID", ""), time.time() - ago)


def started_on(module: AnsibleModule, running: Unit, record: str, path: str, before: bytes, keep: bool) -> tuple[bool, dict[str, str] | None]:
    """Whether there is a copy of what the running server has read, and what that is, None when nobody knows; keep makes the copy where it can."""
    head = f"# {running.invocation}\n".encode()
    copy = read(record)
    if copy is not None and copy.startswith(head):
        return True, load(copy)
    if (changed_at(path) or 0) >= running.started_at:
        return False, None
    if keep:
        make_directory(os.path.dirname(record), 0o700)
        write(module, record, head + before, mode=0o600)
    return False, load(before)


def in_force(module: AnsibleModule, service: str, record: str, path: str, change: Change, keep: bool = False) -> dict[str, t.Any]:
    """Return active, recorded and pending_keys of the server, as flashphoner_properties does."""
    running = unit(module, service)
    if not running.active:
        return {"active": False, "recorded": True, "pending_keys": []}
    recorded, known = started_on(module, running, record, path, change.before, keep)
    return {"active": True, "recorded": recorded, "pending_keys": pending(known, change.wanted)}


def foretell(module: AnsibleModule, path: str, properties: t.Mapping[str, t.Any], service: str, record: str) -> dict[str, t.Any]:
    """Return what flashphoner_properties would, in check mode; FileError and PropertiesError as there."""
    change = plan(path, properties)
    if change.after != change.before:
        rehearse(path, change.after)
    return {
        "changed": change.after != change.before,
        "changed_keys": change.keys,
        "effective": hidden(load(change.after)),
        **in_force(module, service, record, path, change),
    }
