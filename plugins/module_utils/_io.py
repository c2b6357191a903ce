# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no promise of stability to other collections.
"""The only code of the collection's modules that reads and replaces files.

Another user may own the directory that a file is in, as WCS's user owns the directory of its properties, and may put there whatever it likes,
whenever it likes. So a path is walked directory by directory, what is judged is what has been opened, and links are followed only where nobody
but root, or the user who runs this, could have made them.
"""

from __future__ import annotations

import datetime
import errno
import fcntl
import os
import re
import stat
import struct
import typing as t
from contextlib import contextmanager, suppress

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

LARGEST = 4 * 1024 * 1024
LINKS = 40
# Backups that are kept of a file: the oldest, which is the file as it was before the first change, and the newest
BACKUPS = 10

_REMEDIES = {
    errno.EROFS: "mount the file system for writing",
    errno.ENOSPC: "free some room on its file system",
    errno.EDQUOT: "raise the quota of its file system",
    errno.EACCES: "run this as root, with 'become: true'",
    errno.EPERM: "see whether lsattr shows the file or its directory as immutable, and undo that with chattr",
    errno.EBUSY: "it is mounted on its own, so mount its directory in its place",
}
_GET_FLAGS = 0x80086601
_IMMUTABLE_OR_APPEND_ONLY = 0x10 | 0x20


class FileError(Exception):
    """A file that cannot be read or replaced; the message is one sentence for the user."""


class Place(t.NamedTuple):
    """Where a path leads: an open directory, the file's name in it, and the path without links."""

    directory: int
    name: str
    path: str


def read(path: str) -> bytes | None:
    """The bytes of a regular file, or None when there is nothing at that path."""
    with _failures(path, "read"):
        try:
            with _place(path) as place:
                handle = _opened(path, place)
                with os.fdopen(handle, "rb") as stream:
                    data = stream.read(LARGEST + 1)
        except FileNotFoundError:
            return None
    if len(data) > LARGEST:
        raise FileError(_too_large(path))
    return data


def real_path(path: str) -> str:
    """The path without links; those that another user may have made are refused."""
    with _failures(path, "read"), _place(path) as place:
        return place.path


def changed_at(path: str) -> float | None:
    """When a file, or what the system knows of it, changed last, in seconds since 1970; None when there is none."""
    with _failures(path, "read"):
        try:
            with _place(path) as place:
                return os.stat(place.name, dir_fd=place.directory, follow_symlinks=False).st_ctime
        except FileNotFoundError:
            return None


def make_directory(path: str, mode: int) -> None:
    """Make a directory of this mode, whatever the umask, unless there is one."""
    with _failures(path, "written"), _place(path) as place:
        try:
            os.mkdir(place.name, 0o700, dir_fd=place.directory)
        except FileExistsError:
            return
        os.chmod(place.name, mode, dir_fd=place.directory)


def rehearse(path: str, data: bytes) -> None:
    """Refuse what write would refuse, and change nothing."""
    with _failures(path, "written"), _place(path) as place:
        with _old_file(path, place) as old:
            _refuse_fixed(old, place)
        try:
            # A file without a name takes room and is gone when it is closed
            handle = os.open(".", os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600, dir_fd=place.directory)
        except OSError as failure:
            # Not every file system has such files
            if failure.errno in (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT):
                return
            raise
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)


def write(module: AnsibleModule, path: str, data: bytes, mode: int | None = None, backup: bool = False) -> str:
    """Replace a file (the target of a symbolic link, not the link) in one step; return the path of the backup, or ''.

    The owner, group, mode and SELinux context of an existing file are kept. With a mode, no file made here, the temporary one
    and the backup included, is ever wider than it. Temporary files are 0600 in any case. Of the backups BACKUPS are kept.
    """
    with _failures(path, "written"), _place(path) as place, _old_file(path, place) as old:
        kept = os.fstat(old) if old is not None else None
        final = mode if mode is not None else stat.S_IMODE(kept.st_mode) & 0o777 if kept else 0o666 & ~_umask()
        try:
            _refuse_fixed(old, place)
        except OSError as failure:
            if failure.errno != errno.EBUSY or not module.params.get("unsafe_writes"):
                raise
            return _write_in_place(path, place, data)
        backup_name = ""
        if backup and old is not None and kept is not None:
            backup_name = f"{place.name}.{os.getpid()}.{datetime.datetime.now():%Y-%m-%d@%H:%M:%S}~"
            _create(module, place, backup_name, _all_of(old), final, kept, old)
        temporary = f".ansible_tmp{os.urandom(8).hex()}"
        try:
            _create(module, place, temporary, data, final, kept, old)
            _rename(place, temporary)
        except OSError:
            for name in filter(None, (temporary, backup_name)):
                _remove(place, name)
            raise
        os.fsync(place.directory)
        if backup_name:
            _prune(place)
        return os.path.join(os.path.dirname(place.path), backup_name) if backup_name else ""


@contextmanager
def _failures(path: str, done: str) -> t.Iterator[None]:
    try:
        yield
    except OSError as failure:
        remedy = _REMEDIES.get(failure.errno or 0) if done == "written" else None
        raise FileError(f"{path} cannot be {done}: {failure.strerror}{': ' + remedy if remedy else ''}.") from failure


@contextmanager
def _place(path: str) -> t.Iterator[Place]:
    """Walk to the directory of a file, without a link that another user may have made."""
    if "\0" in path:
        raise FileError(f"{path!r} has a NUL in it, which no path can have.")
    steps = _steps(os.path.join(os.getcwd(), path))
    walked: list[str] = []
    directory = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    links = 0
    try:
        while steps:
            step = steps.pop(0)
            if step == "..":
                walked = walked[:-1]
                directory = _entered(directory, "..")
                continue
            target = _link(path, directory, step, "/" + "/".join(walked))
            if target is not None:
                links += 1
                if links > LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                steps = _steps(target) + steps
                if target.startswith("/"):
                    walked, directory = [], _entered(directory, "/")
                if not steps:
                    raise FileError(f"{path} is a directory: name the file itself.")
            elif steps:
                directory = _entered(directory, step)
                walked.append(step)
            else:
                # The walk keeps no right to list the directory; what follows needs one
                usable = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory)
                try:
                    yield Place(usable, step, "/" + "/".join([*walked, step]))
                finally:
                    os.close(usable)
                return
        raise FileError(f"{path} is a directory: name the file itself.")
    finally:
        os.close(directory)


def _steps(path: str) -> list[str]:
    return [step for step in path.split("/") if step not in ("", ".")]


def _entered(directory: int, name: str) -> int:
    """The directory below another, which is closed."""
    below = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    os.close(directory)
    return below


def _link(path: str, directory: int, name: str, where: str) -> str | None:
    """Where a link leads; None when this is no link."""
    try:
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not stat.S_ISLNK(found.st_mode):
        return None
    if found.st_uid not in _trusted() or _others_may_write(os.fstat(directory)):
        raise FileError(
            f"{path} goes over the link {os.path.join(where, name)}, which another user than root may have made: "
            "put the file itself there, or give the link and its directory to root."
        )
    return os.readlink(name, dir_fd=directory)


def _trusted() -> set[int]:
    return {0, os.geteuid()}


def _others_may_write(directory: os.stat_result) -> bool:
    return directory.st_uid not in _trusted() or bool(directory.st_mode & 0o022 and not directory.st_mode & stat.S_ISVTX)


def _opened(path: str, place: Place) -> int:
    """The file, open for reading, if it is one that may be read."""
    # Without waiting for somebody who writes into a FIFO; a link that has come since ends in an error
    try:
        handle = os.open(place.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, dir_fd=place.directory)
    except OSError as failure:
        # A socket, or a device that is not there
        if failure.errno == errno.ENXIO:
            raise FileError(f"{path} is not a regular file.") from failure
        raise
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise FileError(_not_regular(path, found))
        if found.st_size > LARGEST:
            raise FileError(_too_large(path))
        directory = os.fstat(place.directory)
        if found.st_nlink > 1 and found.st_uid != directory.st_uid and _others_may_write(directory):
            raise FileError(
                f"{path} is another name of a file that somebody else owns, in a directory where another user than root may write: put a file of its own there."
            )
    except BaseException:
        os.close(handle)
        raise
    return handle


@contextmanager
def _old_file(path: str, place: Place) -> t.Iterator[int | None]:
    """The file that is to be replaced, open for reading, or None."""
    try:
        handle = _opened(path, place)
    except FileNotFoundError:
        yield None
        return
    try:
        yield handle
    finally:
        os.close(handle)


def _not_regular(path: str, found: os.stat_result) -> str:
    return f"{path} is a directory: name the file itself." if stat.S_ISDIR(found.st_mode) else f"{path} is not a regular file."


def _too_large(path: str) -> str:
    return f"{path} is larger than {LARGEST // 1024 // 1024} MiB: that is not a file of this kind."


def _refuse_fixed(old: int | None, place: Place) -> None:
    """A file that no other can take the place of: immutable, or a mount point."""
    if old is None:
        return
    try:
        flags = struct.unpack("i", fcntl.ioctl(old, _GET_FLAGS, bytes(8))[:4])[0]
    except OSError:
        flags = 0
    if flags & _IMMUTABLE_OR_APPEND_ONLY:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))
    if _mount(old) != _mount(place.directory):
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))


def _mount(handle: int) -> str:
    with open(f"/proc/self/fdinfo/{handle}", encoding="ascii") as lines:
        return next((line for line in lines if line.startswith("mnt_id:")), "")


def _umask() -> int:
    umask = os.umask(0o077)
    os.umask(umask)
    return umask


def _all_of(handle: int) -> bytes:
    os.lseek(handle, 0, os.SEEK_SET)
    with os.fdopen(os.dup(handle), "rb") as stream:
        return stream.read(LARGEST)


def _create(module: AnsibleModule, place: Place, name: str, data: bytes, mode: int, kept: os.stat_result | None, old: int | None) -> None:
    """A complete, flushed file beside the target, of its owner, mode and label."""
    handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=place.directory)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            if kept is not None and (kept.st_uid, kept.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(handle, kept.st_uid, kept.st_gid)
            os.fchmod(handle, mode)
            _label(module, handle, old, place)
            os.fsync(handle)
    except BaseException:
        _remove(place, name)
        raise


def _rename(place: Place, temporary: str) -> None:
    os.rename(temporary, place.name, src_dir_fd=place.directory, dst_dir_fd=place.directory)


def _remove(place: Place, name: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=place.directory)


def _label(module: AnsibleModule, handle: int, old: int | None, place: Place) -> None:
    """The SELinux label of the old file, or what the system's rules say for the path."""
    if not module.selinux_enabled():
        return
    if old is not None:
        os.setxattr(handle, "security.selinux", os.getxattr(old, "security.selinux"))
        return
    label = module.selinux_default_context(place.path)
    if label and None not in label:
        os.setxattr(handle, "security.selinux", ":".join(label).encode() + b"\0")


def _write_in_place(path: str, place: Place, data: bytes) -> str:
    """What unsafe_writes allows: a reader may see half of it."""
    handle = os.open(place.name, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=place.directory)
    with os.fdopen(handle, "wb") as stream:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise FileError(f"{path} is not a regular file.")
        stream.write(data)
        stream.truncate()
        stream.flush()
        os.fsync(handle)
    return ""


def _prune(place: Place) -> None:
    """Remove backups between the oldest and the newest."""
    form = re.compile(re.escape(place.name) + r"\.[0-9]+\.([0-9]{4}-[0-9]{2}-[0-9]{2}@[0-9]{2}:[0-9]{2}:[0-9]{2})~")
    backups = []
    for name in os.listdir(place.directory):
        match = form.fullmatch(name)
        if match and stat.S_ISREG(os.stat(name, dir_fd=place.directory, follow_symlinks=False).st_mode):
            backups.append((match[1], name))
    for _date, name in sorted(backups)[1 : 1 - BACKUPS]:
        os.unlink(name, dir_fd=place.directory)
