# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no promise of stability to other collections.
"""Releases of the WebSDK: which members of an archive may be unpacked and where, and which release a site serves."""

from __future__ import annotations

import gzip
import hashlib
import os
import posixpath
import re
import shutil
import tarfile
import tempfile
import typing as t
import zlib

# The WebSDK 2.0.276 has 628 members and 45 MB in a 17 MB archive.
LARGEST_ARCHIVE = 256 * 1024 * 1024
LARGEST_RELEASE = 512 * 1024 * 1024
MOST_MEMBERS = 20000

ENTRY = "flashphoner.js"
EXAMPLES = "examples"
LINK = "wcs"
RELEASES = "releases"
DIGITS = 12
UNFINISHED = ".unpacking-"

CHUNK = 1024 * 1024
READ_ERRORS = (tarfile.TarError, EOFError, OSError, ValueError, zlib.error)


class ReleaseError(Exception):
    """An archive or a release that cannot be used; the message is one sentence for the user."""


class Member(t.NamedTuple):
    """What an archive says of one of its members."""

    name: str
    kind: str  # file, directory, symlink, hardlink, or the name of something that no release contains
    size: int = 0
    target: str = ""


class Entry(t.NamedTuple):
    """Where a member goes, relative to the release; the target of a symlink as it is, that of a hard link likewise relative."""

    path: str
    kind: str
    target: str = ""


class Plan(t.NamedTuple):
    """What to unpack: the leading directories to leave out, and an entry for the name of each member that stays."""

    prefix: str
    entries: dict[str, Entry]


class Site(t.NamedTuple):
    """The release that is served ('' for none) and all that are kept, the newest first."""

    current: str
    releases: tuple[str, ...]


# --- pure ---------------------------------------------------------------------------------------------------------------------------


def plan(members: t.Iterable[Member]) -> Plan:
    """Decide what of an archive is unpacked and where; refuse an archive that is not a WebSDK or that reaches out of its directory."""
    found: dict[str, Member] = {}
    size = 0
    for member in members:
        # What a sparse file unpacks to is not in the archive, only its size is
        size += member.size
        if member.size < 0 or size > LARGEST_RELEASE:
            raise ReleaseError(f"the archive unpacks to more than {LARGEST_RELEASE // 1024 // 1024} MiB, which no WebSDK does")
        path = _safe(member)
        known = found.get(path)
        if known and (known.kind, member.kind) != ("directory", "directory"):
            raise ReleaseError(f"the archive has {member.name!r} twice")
        if path != ".":
            found[path] = member
    prefix = _prefix(found)
    entries = {}
    for path, member in found.items():
        for parent in _parents(path):
            if parent in found and found[parent].kind != "directory":
                raise ReleaseError(f"the archive's member {member.name!r} runs through {parent!r}, which is not a directory")
        target = _target(path, member, prefix, found)
        if _within(path, prefix) and path != prefix:
            entries[member.name] = Entry(_below(path, prefix), member.kind, target)
    return Plan(prefix, entries)


def version(prefix: str, package: bytes) -> str:
    """The version an archive gives itself: in its package.json, else in the name of its leading directories, else ''."""
    for text, pattern in ((package.decode("utf-8", "replace"), r'"version"\s*:\s*"([0-9][0-9A-Za-z.+-]{0,31})"'), (prefix, r"([0-9]+(?:\.[0-9]+){2})")):
        match = re.search(pattern, text)
        if match:
            return match.group(1)
    return ""


def identity(number: str, sha256: str) -> str:
    """The name of a release: its version, for people, and the beginning of its archive's checksum."""
    return "-".join(part for part in (number, sha256[:DIGITS]) if part)


def find(releases: t.Iterable[str], sha256: str) -> str:
    """The release unpacked from the archive of this checksum, or ''."""
    digits = sha256[:DIGITS]
    return next((release for release in releases if release.split("-")[-1] == digits), "")


def settle(site: Site, wanted: str, keep: int) -> Site:
    """The site after a switch: the wanted release served, and beside it the newest of the others, 'keep' in all."""
    others = [release for release in site.releases if release != wanted][: keep - 1]
    releases = site.releases if wanted in site.releases else (wanted, *site.releases)
    return Site(wanted, tuple(release for release in releases if release == wanted or release in others))


def _safe(member: Member) -> str:
    """The member's normalised path within the archive."""
    if member.kind not in ("file", "directory", "symlink", "hardlink"):
        raise ReleaseError(f"the archive's member {member.name!r} is a {member.kind}, which no WebSDK contains")
    if member.name.startswith("/") or ".." in member.name.split("/"):
        raise ReleaseError(f"the archive's member {member.name!r} would land outside of the release")
    return posixpath.normpath(member.name)


def _prefix(found: dict[str, Member]) -> str:
    """The directory of the archive that holds the WebSDK."""
    directories = {parent for path in found for parent in _parents(path)}
    homes = [
        home
        for home in (posixpath.dirname(path) for path, member in found.items() if posixpath.basename(path) == ENTRY and member.kind == "file")
        if posixpath.join(home, EXAMPLES) in directories
    ]
    if not homes:
        raise ReleaseError(f"the archive has no {ENTRY} with a directory {EXAMPLES}/ beside it: it is not a WebSDK")
    depth = min(map(_depth, homes))
    homes = sorted(home for home in homes if _depth(home) == depth)
    if len(homes) > 1:
        raise ReleaseError(f"the archive has more than one WebSDK: {' and '.join(repr(home) for home in homes)}")
    return homes[0]


def _target(path: str, member: Member, prefix: str, found: dict[str, Member]) -> str:
    """Where a link points, when that is a place inside the release."""
    if member.kind == "symlink":
        # After a name no '..' may follow: the name may itself be a link, and '..' then leads elsewhere than it reads.
        parts = [part for part in member.target.split("/") if part not in ("", ".")]
        upwards = [part == ".." for part in parts]
        resolved = posixpath.normpath(posixpath.join(posixpath.dirname(path), member.target))
        if upwards != sorted(upwards, reverse=True) or not _within(resolved, prefix):
            raise ReleaseError(f"the archive's member {member.name!r} is a link to {member.target!r}, outside of the release")
        return member.target
    if member.kind == "hardlink":
        resolved = posixpath.normpath(member.target)
        if not _within(resolved, prefix) or resolved not in found or found[resolved].kind != "file":
            raise ReleaseError(f"the archive's member {member.name!r} is a link to {member.target!r}, which is no file of the release")
        return _below(resolved, prefix)
    return ""


def _parents(path: str) -> t.Iterator[str]:
    while "/" in path:
        path = posixpath.dirname(path)
        yield path


def _depth(path: str) -> int:
    return len(path.split("/")) if path else 0


def _within(path: str, prefix: str) -> bool:
    if path == ".." or path.startswith(("/", "../")):
        return False
    return not prefix or path == prefix or path.startswith(prefix + "/")


def _below(path: str, prefix: str) -> str:
    return posixpath.relpath(path, prefix) if prefix else path


# --- archives -----------------------------------------------------------------------------------------------------------------------


def checksum(stream: t.BinaryIO) -> str:
    """The SHA-256 of an archive."""
    digest = hashlib.sha256()
    stream.seek(0)
    for chunk in iter(lambda: stream.read(CHUNK), b""):
        digest.update(chunk)
    return digest.hexdigest()


def examine(stream: t.BinaryIO) -> tuple[Plan, str]:
    """Read an archive to its end: what to unpack of it, and the version it gives itself."""
    stream.seek(0)
    start = stream.read(64)
    if not start.startswith(b"\x1f\x8b"):
        raise ReleaseError(f"it is not a gzip-compressed tar archive, it begins with {start[:24].decode('ascii', 'replace')!r}")
    package: dict[str, bytes] = {}
    try:
        members = list(_members(stream, package))
    except READ_ERRORS as failure:
        raise ReleaseError(f"it is not a complete gzip-compressed tar archive: {failure}") from failure
    chosen = plan(members)
    return chosen, version(chosen.prefix, package.get(posixpath.join(chosen.prefix, "package.json"), b""))


def unpack(stream: t.BinaryIO, chosen: Plan, destination: str) -> None:
    """Write a release. Of the archive only the files' bytes are used: every path is the plan's, owners and modes are our own."""
    for entry in chosen.entries.values():
        os.makedirs(os.path.join(destination, entry.path if entry.kind == "directory" else os.path.dirname(entry.path)), exist_ok=True)
    try:
        for info, archive in _walk(stream):
            entry = chosen.entries.get(info.name)
            if entry and entry.kind == "file":
                with open(os.path.join(destination, entry.path), "xb") as target:
                    shutil.copyfileobj(archive.extractfile(info), target, CHUNK)
    except READ_ERRORS as failure:
        raise ReleaseError(f"it could not be unpacked: {failure}") from failure
    for entry in chosen.entries.values():
        path = os.path.join(destination, entry.path)
        if entry.kind == "symlink":
            os.symlink(entry.target, path)
        elif entry.kind == "hardlink":
            shutil.copyfile(os.path.join(destination, entry.target), path)
    for directory, _directories, files in os.walk(destination):
        os.chmod(directory, 0o755)
        for name in files:
            path = os.path.join(directory, name)
            if not os.path.islink(path):
                os.chmod(path, 0o644)


def _members(stream: t.BinaryIO, package: dict[str, bytes]) -> t.Iterator[Member]:
    for info, archive in _walk(stream):
        yield Member(info.name, _kind(info), info.size if info.isreg() else 0, info.linkname)
        if info.isreg() and posixpath.basename(info.name) == "package.json":
            package[posixpath.normpath(info.name)] = archive.extractfile(info).read(65536)


def _walk(stream: t.BinaryIO) -> t.Iterator[tuple[tarfile.TarInfo, tarfile.TarFile]]:
    """Each member of an archive, and its data while it is the current one."""
    stream.seek(0)
    with gzip.GzipFile(fileobj=stream, mode="rb") as plain:
        capped = _Capped(plain)
        with tarfile.open(fileobj=capped, mode="r|") as archive:
            for count, info in enumerate(archive):
                if count > MOST_MEMBERS:
                    raise ReleaseError(f"the archive has more than {MOST_MEMBERS} members, which no WebSDK has")
                yield info, archive
        # To the last byte: that is where gzip keeps its own checksum.
        while capped.read(CHUNK):
            pass


def _kind(info: tarfile.TarInfo) -> str:
    for kind, matches in (
        ("file", info.isreg()),
        ("directory", info.isdir()),
        ("symlink", info.issym()),
        ("hardlink", info.islnk()),
        ("device", info.ischr() or info.isblk()),
        ("FIFO", info.isfifo()),
    ):
        if matches:
            return kind
    return "special file"


class _Capped:
    """A decompressed stream that stops a bomb while it is being read."""

    def __init__(self, stream: t.BinaryIO) -> None:
        self._stream = stream
        # A tar archive adds a header and padding, 1 KiB at most, to each member.
        self._left = LARGEST_RELEASE + MOST_MEMBERS * 1024

    def read(self, size: int) -> bytes:
        data = self._stream.read(min(size, CHUNK))
        self._left -= len(data)
        if self._left < 0:
            raise ReleaseError(f"the archive unpacks to more than {LARGEST_RELEASE // 1024 // 1024} MiB, which no WebSDK does")
        return data


# --- the directory of a site --------------------------------------------------------------------------------------------------------


def survey(root: str) -> Site:
    """What a site serves and keeps."""
    link = os.path.join(root, LINK)
    if os.path.lexists(link) and not os.path.islink(link):
        raise ReleaseError(f"{link} is not a symbolic link: move it away, the releases of the WebSDK are switched there")
    home = os.path.join(root, RELEASES)
    names = [name for name in (os.listdir(home) if os.path.isdir(home) else []) if not name.startswith(".") and complete(os.path.join(home, name))]
    names.sort(key=lambda name: (os.stat(os.path.join(home, name)).st_mtime_ns, name), reverse=True)
    current = os.path.basename(os.readlink(link)) if os.path.islink(link) else ""
    return Site(current if current in names else "", tuple(names))


def complete(path: str) -> bool:
    """Whether a release has what the examples need."""
    return os.path.isfile(os.path.join(path, ENTRY)) and os.path.isdir(os.path.join(path, EXAMPLES))


def stale(root: str, before: Site, after: Site) -> list[str]:
    """What is to be removed: the releases that are kept no longer, and what an interrupted run left behind."""
    home = os.path.join(root, RELEASES)
    unfinished = [name for name in (os.listdir(home) if os.path.isdir(home) else []) if name.startswith(UNFINISHED)]
    return sorted({*unfinished, *before.releases} - {*after.releases})


def add(root: str, release: str, stream: t.BinaryIO, chosen: Plan) -> None:
    """Unpack a release under its name, in one step as seen from outside."""
    home = os.path.join(root, RELEASES)
    target = os.path.join(home, release)
    temporary = tempfile.mkdtemp(prefix=UNFINISHED, dir=home)
    try:
        unpack(stream, chosen, temporary)
        # The name must not reach the disk before the files do.
        os.sync()
        if os.path.lexists(target):
            shutil.rmtree(target)
        os.rename(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def switch(root: str, release: str) -> None:
    """Serve a release, without a moment in which none is served."""
    temporary = os.path.join(root, f".{LINK}-{release}")
    if os.path.lexists(temporary):
        os.unlink(temporary)
    os.symlink(os.path.join(RELEASES, release), temporary)
    os.rename(temporary, os.path.join(root, LINK))


def prune(root: str, names: t.Iterable[str]) -> None:
    """Remove releases."""
    for name in names:
        shutil.rmtree(os.path.join(root, RELEASES, name))
