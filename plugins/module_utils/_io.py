# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no promise of stability to other collections.
"""The only code of the collection's modules that reads and replaces files."""

from __future__ import annotations

import os
import stat
import tempfile

LARGEST = 4 * 1024 * 1024


class FileError(Exception):
    """A file that cannot be read or replaced; the message is one sentence for the user."""


def read(path: str) -> bytes | None:
    """The bytes of a regular file, or None when there is nothing at that path."""
    try:
        found = os.stat(path)
        # Checked before opening: to open a FIFO would wait for its writer.
        if stat.S_ISDIR(found.st_mode):
            raise FileError(f"{path} is a directory: name the file itself.")
        if not stat.S_ISREG(found.st_mode):
            raise FileError(f"{path} is not a regular file.")
        with open(path, "rb") as stream:
            data = stream.read(LARGEST + 1)
    except FileNotFoundError:
        return None
    except OSError as failure:
        raise FileError(f"{path} cannot be read: {failure.strerror}.") from failure
    if len(data) > LARGEST:
        raise FileError(f"{path} is larger than {LARGEST // 1024 // 1024} MiB: that is not a file of this kind.")
    return data


def write(module, path: str, data: bytes, mode: int | None = None, backup: bool = False) -> str:
    """Replace a file (the target of a symbolic link, not the link) in one step; return the path of the backup, or ''.

    The owner, group, mode and SELinux context of an existing file are kept. With a mode, no file made here, the temporary one
    and the backup included, is ever wider than it. Temporary files are 0600 in any case.
    """
    target = os.path.realpath(path)
    temporary = None
    umask = os.umask(0o077 if mode is None else 0o777 & ~mode)
    try:
        temporary = _temporary(target, data)
        if mode is not None and os.path.exists(target):
            # Both the backup and the new file take their mode from the old one.
            os.chmod(target, mode)
        backup_path = module.backup_local(target) if backup else ""
        if mode is None:
            os.umask(umask)
        module.atomic_move(temporary, target, unsafe_writes=bool(module.params.get("unsafe_writes")))
    except OSError as failure:
        raise FileError(f"{path} cannot be written: {failure.strerror}.") from failure
    finally:
        os.umask(umask)
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)
    return backup_path


def _temporary(target: str, data: bytes) -> str:
    """A complete, flushed file beside the target, so that the replacement is a rename within one file system."""
    handle, temporary = tempfile.mkstemp(prefix=".ansible_tmp", dir=os.path.dirname(target))
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError:
        os.unlink(temporary)
        raise
    return temporary
