# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no promise of stability to other collections.
"""What HAProxy runs on and serves beside what lies on disk, and whose configuration that is."""

from __future__ import annotations

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from . import _haproxy, _in_force
from . import _haproxy_in_force as haproxy
from . import _haproxy_takeover as takeover
from ._io import FileError, read
from ._services import ENABLED, digest, unit

QUERIES = (
    ("dpkg-query", ["--show", "--showformat=${Conffiles}\n"]),
    ("rpm", ["--query", "--queryformat=[%{FILENAMES} %{FILEDIGESTS}\n]"]),
)


def content(path: str) -> bytes | None:
    """Return what is in a file that the configuration names; what is no file is left to HAProxy."""
    try:
        return read(path)
    except FileError:
        return None


def ask(path: str, command: str) -> str:
    """Ask the running HAProxy; the answer is empty when it cannot be asked."""
    try:
        return _haproxy.ask(path, command)
    except (OSError, _haproxy.NoAnswer):
        return ""


def limits(pid: str, hard: bool = False) -> int:
    """Return how many files a process may open, or may ask for at most."""
    try:
        with open(f"/proc/{int(pid)}/limits", encoding="ascii") as stream:
            return haproxy.open_files(stream.read(), hard)
    except (OSError, ValueError):
        return 0


def tickets_agree(configuration: haproxy.Configuration) -> bool:
    """Whether the running HAProxy has the keys that are in the file."""
    if not configuration.ticket_keys:
        return True
    used = haproxy.ticket_keys(ask(configuration.socket, f"show tls-keys {configuration.ticket_keys}"))
    kept = (read(configuration.ticket_keys) or b"").decode("ascii", "replace").split()
    return not used or used == kept[-len(used) :]


def in_force(module: AnsibleModule, config: str, record_path: str, names: list[str], timer_name: str) -> dict[str, t.Any]:
    """Return what the module haproxy_in_force does; FileError for what must not be read."""
    haproxy_unit, timer = unit(module, "haproxy.service"), unit(module, timer_name)
    timed = unit(module, f"{os.path.splitext(timer_name)[0]}.service")
    data, record, last_good = read(config), read(record_path), read(f"{config}.last-good")
    configuration = haproxy.parse((data or b"").decode("utf-8", "replace"))
    parsed = None if record is None else _in_force.parse_record(record.decode("utf-8", "replace"))
    bundles = {path for bind in configuration.binds for path in bind.bundles if path.startswith("/")}
    contents = {path: data if path == config else content(path) for path in sorted({config, *bundles, *(parsed.files if parsed else ())})}
    reasons = _in_force.differences(haproxy_unit, parsed, {path: digest(found) for path, found in contents.items()})
    active = haproxy_unit.get("ActiveState") in ("active", "reloading")
    # What is known to be stale needs no second look
    if not reasons:
        reasons = haproxy.foreign(configuration.binds, names, {path: haproxy.leaf(found or b"") for path, found in contents.items()})
    return {
        "in_force": not reasons,
        "reasons": reasons,
        "active": active,
        "enabled": haproxy_unit.get("UnitFileState") in ENABLED,
        "masked": haproxy_unit.get("LoadState") == "masked",
        "loaded": haproxy_unit.get("LoadState") in ("loaded", "masked"),
        "daemon_reload": "yes" in [each.get("NeedDaemonReload") for each in (haproxy_unit, timer, timed)],
        "tickets": not active or tickets_agree(configuration),
        "timer": timer.get("ActiveState") == "active" and timer.get("UnitFileState") in ENABLED,
        "timer_loaded": timer.get("LoadState") == "loaded",
        "good": last_good in (None, data),
        "nofile": limits(haproxy_unit.get("MainPID", "0")) if active else 0,
        "nofile_most": limits("1", hard=True),
    }


def packaged(module: AnsibleModule, package: str, path: str) -> str:
    """Return the digest of the file as its package brought it."""
    for command, arguments in QUERIES:
        program = module.get_bin_path(command)
        if program:
            dummy, output, dummy = module.run_command([program, *arguments, "--", package])
            digest = takeover.packaged(output, path)
            if digest:
                return digest
    return ""


def whose(module: AnsibleModule, path: str, package: str, sections: str) -> dict[str, t.Any]:
    """Return keep (whether somebody wrote or changed the file by hand) and sections (those of it that would be gone); FileError as above."""
    data = read(path)
    if data is None or takeover.sealed(data) or takeover.untouched(data, packaged(module, package, path)):
        return {"keep": False, "sections": []}
    return {"keep": True, "sections": takeover.gone(data, sections)}
