# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no promise of stability to other collections.
"""A service as systemd has it, and what it runs on beside what lies on disk."""

from __future__ import annotations

import hashlib
import typing as t

from ansible.module_utils.basic import AnsibleModule

from . import _in_force
from ._io import FileError, read

ENABLED = ("enabled", "enabled-runtime", "static", "alias")


def show(module: AnsibleModule, properties: t.Iterable[str], *names: str) -> str:
    """Return what systemd says of units; nothing where it does not run, as in a container of one process, or of names that are none."""
    systemctl = module.get_bin_path("systemctl")
    shown = [f"--property={key}" for key in properties]
    return str(module.run_command([systemctl, "show", *shown, "--", *names])[1]) if systemctl else ""


def unit(module: AnsibleModule, name: str) -> dict[str, str]:
    """Return what systemd says of a unit."""
    return _in_force.parse_unit(show(module, _in_force.SHOWN, name))


def digest(data: bytes | None) -> str | None:
    """Return the SHA-256 of what is in a file, None when there is none."""
    return None if data is None else hashlib.sha256(data).hexdigest()


def _on_disk(path: str) -> str | None:
    """The SHA-256 of a file that a service should run on, None when there is none; what is no plain file is not read, and none of ours."""
    try:
        return digest(read(path))
    except FileError:
        return ""


def service(module: AnsibleModule, name: str, record: str, files: t.Iterable[str] | None = None) -> dict[str, t.Any]:
    """Return in_force, reasons, files (those in the record), active, enabled, masked, loaded, daemon_reload and pid of a service.

    FileError is for a record that must not be read. Without files it is judged by those in its record.
    """
    said = unit(module, name)
    data = read(record)
    left = None if data is None else _in_force.parse_record(data.decode("utf-8", "replace"))
    paths = files if files is not None else left.files if left else ()
    reasons = _in_force.differences(said, left, {path: _on_disk(path) for path in paths})
    return {
        "in_force": not reasons,
        "reasons": reasons,
        "files": sorted(left.files) if left else [],
        "active": said.get("ActiveState") in ("active", "reloading"),
        "enabled": said.get("UnitFileState") in ENABLED,
        "masked": said.get("LoadState") == "masked",
        "loaded": said.get("LoadState") == "loaded",
        "daemon_reload": said.get("NeedDaemonReload") == "yes",
        "pid": int(said.get("MainPID") or 0),
    }
