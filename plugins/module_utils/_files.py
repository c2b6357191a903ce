# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no promise of stability to other collections.
"""What lies at a path of a host: its kind, its content's digest, its owner and its permissions."""

from __future__ import annotations

import grp
import hashlib
import os
import pwd
import stat
import typing as t

from ansible.module_utils.basic import AnsibleModule

# Nothing of ours is larger, and what is has no digest here
LARGEST = 4 * 1024 * 1024
KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}


def state(path: str) -> dict[str, t.Any]:
    """Return kind (file, directory, link, other or absent), mode in octal, owner and group by name, and sha256 of a file.

    Of a link, target has the same of what it leads to. What cannot be looked at has problem alone.
    """
    try:
        found = os.lstat(path)
        attributes = _attributes(found)
        if attributes["kind"] == "file":
            attributes["sha256"] = _digest(path)
        elif attributes["kind"] == "link":
            attributes["target"] = _attributes(os.stat(path)) if os.path.exists(path) else {"kind": "absent"}
    except (FileNotFoundError, NotADirectoryError):
        return {"kind": "absent"}
    except OSError as error:
        return {"problem": str(error)}
    return attributes


def mislabelled(module: AnsibleModule, path: str) -> bool:
    """Whether SELinux's rules give a path another label."""
    return bool(module.selinux_enabled() and module.selinux_default_context(path) != module.selinux_context(path))


def _attributes(found: os.stat_result) -> dict[str, t.Any]:
    return {
        "kind": KINDS.get(stat.S_IFMT(found.st_mode), "other"),
        "mode": f"{stat.S_IMODE(found.st_mode):04o}",
        "owner": _name(pwd.getpwuid, found.st_uid),
        "group": _name(grp.getgrgid, found.st_gid),
    }


def _name(database: t.Callable[[int], t.Sequence[t.Any]], number: int) -> str:
    """The name of a user or group, its number where it has none."""
    try:
        return str(database(number)[0])
    except KeyError:
        return str(number)


def _digest(path: str) -> str:
    """The SHA-256 of a plain file, '' of what has become anything else."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as stream:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return ""
        data = stream.read(LARGEST + 1)
    return hashlib.sha256(data).hexdigest() if len(data) <= LARGEST else ""
