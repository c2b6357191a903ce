# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no promise of stability to other collections.
"""Releases of the WebSDK: which members of an archive may be unpacked and where, and which release a site serves."""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import hashlib
import os
import posixpath
import re
import shutil
import tarfile
import tempfile
import time
import typing as t
import zlib

# The WebSDK 2.0.276 has 628 members and 45 MB in a 17 MB archive, no links, and no path of more than 130 characters.
LARGEST_ARCHIVE = 256 * 1024 * 1024
LARGEST_RELEASE = 512 * 1024 * 1024
LARGEST_HEADERS = 8 * 1024 * 1024  # what tar says of its members beyond 512 bytes each, all of it together
MOST_MEMBERS = 20000
MOST_LINKS = 1000
MOST_STEPS = 5 * MOST_MEMBERS  # directories on the ways to all members
LONGEST_WAY = 16  # links after links
LONGEST_PATH = 1024
LONGEST_NAME = 255
DEEPEST = 32
DENSEST = 100  # bytes for a byte of the archive, and what a small one may have anyway
DENSE_ANYWAY = 16 * 1024 * 1024

ENTRY = "flashphoner.js"
EXAMPLES = "examples"
LINK = "wcs"
RELEASES = "releases"
DIGITS = 12
UNFINISHED = ".unpacking-"
SWITCHING = f".{LINK}-"
# Its owner alone can open it: whoever can open a file can hold its lock, and so could everybody that of the directory, which nginx reads
LOCK = ".lock"

CHUNK = 1024 * 1024
PATIENCE = 300
READ_ERRORS = (tarfile.TarError, EOFError, OSError, ValueError, zlib.error)

KINDS = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.CONTTYPE: "file",
    tarfile.DIRTYPE: "directory",
    tarfile.SYMTYPE: "symlink",
    tarfile.LNKTYPE: "hardlink",
    tarfile.CHRTYPE: "device",
    tarfile.BLKTYPE: "device",
    tarfile.FIFOTYPE: "FIFO",
    tarfile.GNUTYPE_SPARSE: "sparse file",
}
LABEL = b"V"
LONG = {tarfile.GNUTYPE_LONGNAME: "path", tarfile.GNUTYPE_LONGLINK: "linkpath"}
EXTENDED = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)

# What people name .tar.gz as well; nothing of a file's own is ever told, it may be a file that is nobody's business
LOOKS = (
    (b"PK", "a zip archive"),
    (b"BZh", "compressed with bzip2"),
    (b"\xfd7zXZ", "compressed with xz"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd"),
    (b"<", "a page of HTML or XML"),
    (b"{", "JSON"),
)


class ReleaseError(Exception):
    """An archive or a release that cannot be used; the message is one sentence for the user."""


class Member(t.NamedTuple):
    """What an archive says of one of its members."""

    name: str
    kind: str  # file, directory, symlink, hardlink, or the name of something that no release contains
    size: int = 0
    target: str = ""


class Plan(t.NamedTuple):
    """What a release is made of, by paths below it. It has no links: what they name stands in their place."""

    prefix: str  # the leading directories of the archive, which are left out
    directories: tuple[str, ...]
    files: dict[int, tuple[str, ...]]  # where the data of a member goes, by the member's number in the archive


class Site(t.NamedTuple):
    """The release that is served ('' for none) and all that are kept, the newest first."""

    current: str
    releases: tuple[str, ...]


# --- pure ---------------------------------------------------------------------------------------------------------------------------


def plan(members: t.Iterable[Member]) -> Plan:
    """Decide what of an archive is unpacked and where; refuse an archive that is not a WebSDK or that reaches out of its directory."""
    found: dict[str, tuple[int, Member]] = {}
    size = links = steps = 0
    for number, member in enumerate(members):
        if number >= MOST_MEMBERS:
            raise ReleaseError(f"the archive has more than {MOST_MEMBERS} members, which no WebSDK has")
        size += member.size
        if member.size < 0 or size > LARGEST_RELEASE:
            raise _too_large()
        path = _safe(member)
        steps += path.count("/")
        if steps > MOST_STEPS:
            raise ReleaseError(f"the archive's members have more than {MOST_STEPS} directories on their ways, which no WebSDK has")
        links += member.kind == "symlink"
        if links > MOST_LINKS:
            raise ReleaseError(f"the archive has more than {MOST_LINKS} links, which no WebSDK has")
        known = found.get(path)
        if known and member.kind == "hardlink" and posixpath.normpath(member.target) == path:
            # As tar packs a file that was named twice, and has more names
            continue
        if known and known[1].kind != member.kind:
            raise ReleaseError(f"the archive has {member.name!r} twice, as a {known[1].kind} and as a {member.kind}")
        # Of a file that comes twice the last one counts, as for tar: that is how it adds a newer one
        if path != ".":
            found[path] = (number, member)
    for path, (_number, member) in found.items():
        for parent in _parents(path):
            if parent in found and found[parent][1].kind != "directory":
                raise ReleaseError(f"the archive's member {member.name!r} runs through {parent!r}, which is not a directory")
    prefix = _prefix({path: member for path, (_number, member) in found.items()})
    return _Tree(prefix, found).lay()


class _Tree:
    """A release as its archive describes it: judged where it lands, below the prefix, with the release as the root of all links."""

    def __init__(self, prefix: str, found: dict[str, tuple[int, Member]]) -> None:
        inner = {path: numbered for path, numbered in found.items() if _within(path, prefix) and path != prefix}
        self.prefix = prefix
        self.names = {_below(path, prefix): member.name for path, (_number, member) in inner.items()}
        self.sizes = {number: member.size for number, member in inner.values()}
        self.files: dict[str, int] = {}
        self.links: dict[str, str] = {}
        self.directories: dict[str, set[str]] = {"": set()}
        for path, numbered in inner.items():
            number, member = self._linked(numbered, inner) if numbered[1].kind == "hardlink" else numbered
            place = _below(path, prefix)
            if member.kind == "directory":
                self.directories.setdefault(place, set())
            elif member.kind == "symlink":
                self.links[place] = member.target
            else:
                self.files[place] = number
            for child, parent in zip((place, *_parents(place)), (*_parents(place), "")):
                self.directories.setdefault(parent, set()).add(posixpath.basename(child))

    def _linked(self, numbered: tuple[int, Member], inner: dict[str, tuple[int, Member]]) -> tuple[int, Member]:
        """The member that a hard link is another name of: a file, or a symbolic link."""
        name, target = numbered[1].name, numbered[1].target
        for _step in range(LONGEST_WAY):
            path = posixpath.normpath(numbered[1].target)
            if path not in inner or inner[path][1].kind == "directory" or ".." in numbered[1].target.split("/"):
                break
            numbered = inner[path]
            if numbered[1].kind != "hardlink":
                return numbered
        raise ReleaseError(f"the archive's member {name!r} is a link to {target!r}, which is no file of the release")

    def follow(self, place: str) -> str | None:
        """Where a link leads, as a kernel would follow it; None for nowhere."""
        done: list[str] = []
        left, ways = place.split("/")[::-1], LONGEST_WAY
        while left:
            part = left.pop()
            if part == ".." and not done:
                raise self._outside(place)
            if part == "..":
                done.pop()
            elif part not in ("", "."):
                here = "/".join([*done, part])
                if here in self.links:
                    ways -= 1
                    if self.links[here].startswith("/"):
                        raise self._outside(place)
                    if not ways:
                        raise ReleaseError(f"the archive's member {self.names[place]!r} leads through more than {LONGEST_WAY} links")
                    left.extend(self.links[here].split("/")[::-1])
                elif here in self.directories or (here in self.files and not any(left)):
                    done.append(part)
                else:
                    return None
        return "/".join(done)

    def _outside(self, link: str) -> ReleaseError:
        return ReleaseError(f"the archive's member {self.names[link]!r} is a link to {self.links[link]!r}, outside of the release")

    def lay(self) -> Plan:
        """Put everything in its place, and in the place of every link what it names."""
        real = {link: self.follow(link) for link in self.links}
        directories: list[str] = []
        files: dict[int, list[str]] = {}
        size = count = 0
        open_places: list[tuple[str, str, tuple[str, ...]]] = [("", "", ("",))]
        while open_places:
            place, path, trail = open_places.pop()
            for name in sorted(self.directories[place]):
                inner = posixpath.join(place, name)
                there = real.get(inner, inner)
                target = posixpath.join(path, name)
                count += 1
                if count > MOST_MEMBERS or target.count("/") >= DEEPEST or len(target) > LONGEST_PATH:
                    raise ReleaseError(f"the archive's links make more than {MOST_MEMBERS} files of it, or one deeper than {DEEPEST} directories")
                if there in self.files:
                    size += self.sizes[self.files[there]]
                    if size > LARGEST_RELEASE:
                        raise _too_large()
                    files.setdefault(self.files[there], []).append(target)
                elif there in trail:
                    raise ReleaseError(f"the archive has a directory within itself, by a link: {target!r}")
                elif there is not None:
                    directories.append(target)
                    open_places.append((there, target, (*trail, there)))
        if not any(ENTRY in targets for targets in files.values()) or EXAMPLES not in directories:
            raise _no_websdk()
        return Plan(self.prefix, tuple(sorted(directories)), {number: tuple(targets) for number, targets in files.items()})


def version(prefix: str, package: bytes) -> str:
    """The version an archive gives itself: in its package.json, else in the name of its leading directories, else ''."""
    for text, pattern in ((package.decode("utf-8", "replace"), r'"version"\s*:\s*"([0-9][0-9A-Za-z.+-]{0,31})"'), (prefix, r"([0-9]{1,9}(?:\.[0-9]{1,9}){2})")):
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


def extended(data: bytes) -> dict[str, str]:
    """The records of a PAX header, each 'LENGTH KEY=VALUE' and a newline."""
    records, start = {}, 0
    while start < len(data):
        blank = data.find(b" ", start, start + 12)
        length = data[start:blank]
        end = start + (int(length) if blank > start and re.fullmatch(rb"[0-9]+", length) else 0)
        key, equals, value = data[blank + 1 : end - 1].partition(b"=")
        if not start < blank < end <= len(data) or data[end - 1 : end] != b"\n" or not equals:
            raise ReleaseError("the archive has an extended header that cannot be read")
        records[_text(key)] = _text(value)
        start = end
    return records


def _safe(member: Member) -> str:
    """The member's normalised path within the archive."""
    shown = member.name if len(member.name) <= LONGEST_NAME else f"{member.name[:LONGEST_NAME]}..."
    if member.kind not in ("file", "directory", "symlink", "hardlink"):
        raise ReleaseError(f"the archive's member {shown!r} is a {member.kind}, which no WebSDK contains")
    parts = member.name.split("/")
    if len(member.name) > LONGEST_PATH or len(parts) > DEEPEST or any(len(_bytes(part)) > LONGEST_NAME for part in parts):
        raise ReleaseError(f"the archive's member {shown!r} has a longer name than any file of a WebSDK")
    if len(member.target) > LONGEST_PATH or member.target.count("/") > 2 * DEEPEST:
        raise ReleaseError(f"the archive's member {shown!r} is a link to a longer path than any of a WebSDK")
    if member.name.startswith("/") or ".." in parts or "\0" in member.name:
        raise ReleaseError(f"the archive's member {shown!r} would land outside of the release")
    return posixpath.normpath(member.name)


def _prefix(found: dict[str, Member]) -> str:
    """The directory of the archive that holds the WebSDK."""
    directories = {parent for path in found for parent in _parents(path)} | {path for path, member in found.items() if member.kind != "file"}
    homes = [
        home
        for home in (posixpath.dirname(path) for path, member in found.items() if posixpath.basename(path) == ENTRY and member.kind != "directory")
        if posixpath.join(home, EXAMPLES) in directories
    ]
    if not homes:
        raise _no_websdk()
    depth = min(map(_depth, homes))
    homes = sorted(home for home in homes if _depth(home) == depth)
    if len(homes) > 1:
        raise ReleaseError(f"the archive has more than one WebSDK: {' and '.join(repr(home) for home in homes[:3])}")
    return homes[0]


def _no_websdk() -> ReleaseError:
    return ReleaseError(f"the archive has no {ENTRY} with a directory {EXAMPLES}/ beside it: it is not a WebSDK")


def _too_large() -> ReleaseError:
    return ReleaseError(f"the archive unpacks to more than {LARGEST_RELEASE // 1024 // 1024} MiB, which no WebSDK does")


def _parents(path: str) -> t.Iterator[str]:
    while "/" in path:
        path = posixpath.dirname(path)
        yield path


def _depth(path: str) -> int:
    return len(path.split("/")) if path else 0


def _within(path: str, prefix: str) -> bool:
    return not prefix or path == prefix or path.startswith(prefix + "/")


def _below(path: str, prefix: str) -> str:
    return path[len(prefix) + 1 :] if prefix else path


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


# --- archives -----------------------------------------------------------------------------------------------------------------------


def checksum(stream: t.BinaryIO) -> str:
    """The SHA-256 of an archive."""
    digest = hashlib.sha256()
    stream.seek(0)
    for chunk in iter(lambda: stream.read(CHUNK), b""):
        digest.update(chunk)
    return digest.hexdigest()


def unwrap(stream: t.BinaryIO, scratch: t.BinaryIO) -> t.BinaryIO:
    """The archive itself, where a server compressed once more what was compressed: no archive of the WebSDK is one within another."""
    stream.seek(0)
    try:
        with gzip.GzipFile(fileobj=stream, mode="rb") as outer:
            plain = _Capped(outer, stream)
            data = plain.read(CHUNK)
            if not data.startswith(b"\x1f\x8b"):
                return stream
            while data:
                scratch.write(data)
                data = plain.read(CHUNK)
    except READ_ERRORS:
        return stream
    return scratch


def examine(stream: t.BinaryIO) -> tuple[Plan, str]:
    """Read an archive to its end: what to unpack of it, and the version it gives itself."""
    stream.seek(0)
    start = stream.read(64)
    if not start.startswith(b"\x1f\x8b"):
        looks = next((looks for mark, looks in LOOKS if start.lstrip().startswith(mark)), "" if start else "empty")
        raise ReleaseError("it is not a gzip-compressed tar archive" + (f" but {looks}" if looks else ""))
    package: dict[str, bytes] = {}
    try:
        chosen = plan(_members(stream, package))
    except READ_ERRORS as failure:
        raise ReleaseError(f"it is not a complete gzip-compressed tar archive: {failure}") from failure
    return chosen, version(chosen.prefix, package.get(posixpath.join(chosen.prefix, "package.json"), b""))


def unpack(stream: t.BinaryIO, chosen: Plan, destination: str) -> None:
    """Write a release. Of the archive only the files' bytes are used: every path is the plan's, owners and modes are our own."""
    home = os.fsencode(destination)
    for directory in chosen.directories:
        os.makedirs(os.path.join(home, _bytes(directory)), exist_ok=True)
    try:
        for number, (_member, data) in enumerate(_walk(stream)):
            paths = [os.path.join(home, _bytes(path)) for path in chosen.files.get(number, ())]
            for path in paths[:1]:
                with open(path, "xb") as target:
                    shutil.copyfileobj(data, target, CHUNK)
            for path in paths[1:]:
                shutil.copyfile(paths[0], path)
    except READ_ERRORS as failure:
        raise ReleaseError(f"it could not be unpacked: {failure}") from failure
    for place, _directories, files in os.walk(home):
        os.chmod(place, 0o755)
        for name in files:
            os.chmod(os.path.join(place, name), 0o644)


def _members(stream: t.BinaryIO, package: dict[str, bytes]) -> t.Iterator[Member]:
    for member, data in _walk(stream):
        if member.kind == "file" and posixpath.basename(member.name) == "package.json":
            package[posixpath.normpath(member.name)] = data.read(65536)
        yield member


def _walk(stream: t.BinaryIO) -> t.Iterator[tuple[Member, _Data]]:
    """Each member of an archive, and its data while it is the current one.

    Python's own reader takes a header's word for sizes, and reads of extended headers what they say they have; here everything
    is judged before it is read. A header's fields are read by it.
    """
    stream.seek(0)
    with gzip.GzipFile(fileobj=stream, mode="rb") as plain:
        capped = _Capped(plain, stream)
        said: dict[str, str] = {}
        room = LARGEST_HEADERS
        while (block := capped.exactly(tarfile.BLOCKSIZE, at_least=0)).strip(b"\0"):
            info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
            if info.type in (LABEL, tarfile.XGLTYPE, *EXTENDED, *LONG):
                room -= info.size + tarfile.BLOCKSIZE
                if info.size < 0 or room < 0:
                    raise ReleaseError(f"the archive has more than {LARGEST_HEADERS // 1024 // 1024} MiB of headers, which no WebSDK has")
                header = capped.exactly(info.size)
                capped.exactly(-info.size % tarfile.BLOCKSIZE)
                if info.type in LONG:
                    said[LONG[info.type]] = _text(header.partition(b"\0")[0])
                elif info.type in EXTENDED:
                    said.update(extended(header))
                elif info.type == tarfile.XGLTYPE and not {"path", "linkpath", "size"}.isdisjoint(extended(header)):
                    raise ReleaseError("the archive has a header that gives all members one name or size, which no WebSDK has")
                continue
            member = _member(info, said)
            said = {}
            if not 0 <= member.size <= LARGEST_RELEASE:
                raise _too_large()
            data = _Data(capped, member.size)
            yield member, data
            data.skip()
        # To the last byte: that is where gzip keeps its own checksum
        while capped.read(CHUNK):
            pass


def _member(info: tarfile.TarInfo, said: dict[str, str]) -> Member:
    """A member by its header, and by what was said before it."""
    kind = KINDS.get(info.type, "special file")
    if any(key.startswith("GNU.sparse.") for key in said):
        kind = "sparse file"
    size = int(said["size"]) if re.fullmatch("[0-9]{1,20}", said.get("size", "")) else info.size
    if kind in ("directory", "symlink", "hardlink") and size:
        # Directories and links have none, and what says otherwise is read in one way by one program and in another by the next
        raise ReleaseError(f"the archive's member {info.name[:LONGEST_NAME]!r} is a {kind} with a size, which no WebSDK contains")
    return Member(said.get("path", info.name).rstrip("/") or "/", kind, size, said.get("linkpath", info.linkname))


class _Data:
    """The data of one member."""

    def __init__(self, stream: _Capped, size: int) -> None:
        self._stream, self._left, self._padding = stream, size, -size % tarfile.BLOCKSIZE

    def read(self, size: int = CHUNK) -> bytes:
        data = self._stream.exactly(min(size, self._left, CHUNK))
        self._left -= len(data)
        return data

    def skip(self) -> None:
        while self.read(CHUNK):
            pass
        self._stream.exactly(self._padding)


class _Capped:
    """A decompressed stream that stops a bomb while it is being read."""

    def __init__(self, plain: gzip.GzipFile, packed: t.BinaryIO) -> None:
        self._plain, self._packed = plain, packed
        self._read = 0

    def read(self, size: int) -> bytes:
        data = self._plain.read(min(size, CHUNK))
        self._read += len(data)
        # A tar archive adds a header and padding, 1 KiB at most, to each member
        if self._read > LARGEST_RELEASE + LARGEST_HEADERS + MOST_MEMBERS * 1024:
            raise _too_large()
        if self._read > DENSE_ANYWAY + DENSEST * self._packed.tell():
            raise ReleaseError(f"the archive unpacks to more than {DENSEST} times its size, which no WebSDK does")
        return data

    def exactly(self, size: int, at_least: int | None = None) -> bytes:
        """So many bytes; or none, where that is enough, at the end."""
        data = b""
        while len(data) < size:
            more = self.read(size - len(data))
            if not more and len(data) != at_least:
                raise EOFError("it ends within a member")
            if not more:
                break
            data += more
        return data


# --- the directory of a site --------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def lock(root: str) -> t.Iterator[None]:
    """Keep other runs away from a site, and wait for one that is at work. The lock goes with the process, however that ends."""
    handle = os.open(os.path.join(root, LOCK), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + PATIENCE
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise ReleaseError(f"another run has been at work in {root} for {PATIENCE} s: wait for its end, or end it") from None
                time.sleep(1)
        yield
    finally:
        os.close(handle)


def survey(root: str) -> Site:
    """What a site serves and keeps."""
    link = os.path.join(root, LINK)
    if os.path.lexists(link) and not os.path.islink(link):
        raise ReleaseError(f"{link} is not a symbolic link: move it away, the releases of the WebSDK are switched there")
    home = os.path.join(root, RELEASES)
    names = [name for name in _listed(home) if not name.startswith(".") and complete(os.path.join(home, name))]
    names.sort(key=lambda name: (os.stat(os.path.join(home, name)).st_mtime_ns, name), reverse=True)
    current = os.readlink(link) if os.path.islink(link) else ""
    return Site(next((name for name in names if current == os.path.join(RELEASES, name)), ""), tuple(names))


def complete(path: str) -> bool:
    """Whether a release has what the examples need."""
    return os.path.isfile(os.path.join(path, ENTRY)) and os.path.isdir(os.path.join(path, EXAMPLES))


def stale(root: str, before: Site, after: Site) -> list[str]:
    """What is to be removed, relative to the site: the releases that are kept no longer, and what an interrupted run left behind."""
    unfinished = [name for name in _listed(os.path.join(root, RELEASES)) if name.startswith(UNFINISHED)]
    releases = [os.path.join(RELEASES, name) for name in {*unfinished, *before.releases} - {*after.releases}]
    return sorted([*releases, *(name for name in _listed(root) if name.startswith(SWITCHING))])


def due(root: str, release: str, sha256: str, keep: int) -> str:
    """Return why a release has to be brought or switched to, '' when it is served and nothing else is left to do; ReleaseError as survey."""
    before = survey(root)
    wanted = release if release in before.releases else find(before.releases, sha256.lower()) if sha256 and not release else ""
    if not wanted:
        return "the release is not there" if release or sha256 else "whether the archive is another one is not known without a checksum"
    after = settle(before, wanted, keep)
    if after.current != before.current:
        return "another release is served"
    return "releases are there that are kept no longer" if after != before or stale(root, before, after) else ""


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
            _remove(target)
        os.rename(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def switch(root: str, release: str) -> None:
    """Serve a release, without a moment in which none is served."""
    temporary = os.path.join(root, f"{SWITCHING}{release}")
    if os.path.lexists(temporary):
        _remove(temporary)
    os.symlink(os.path.join(RELEASES, release), temporary)
    os.rename(temporary, os.path.join(root, LINK))


def prune(root: str, names: t.Iterable[str]) -> None:
    """Remove what a site keeps no longer."""
    for name in names:
        _remove(os.path.join(root, name))


def _remove(path: str) -> None:
    """Remove a file, a link or a directory, which never looks like a whole release while it goes."""
    if os.path.islink(path) or not os.path.isdir(path):
        os.unlink(path)
        return
    going = tempfile.mkdtemp(prefix=UNFINISHED, dir=os.path.dirname(path))
    os.rename(path, going)
    shutil.rmtree(going)


def _listed(directory: str) -> list[str]:
    return os.listdir(directory) if os.path.isdir(directory) else []


def origin(url: str) -> str:
    """An address for people, as it was given: but neither a password nor a token in it is for a log or a screen."""
    plain = re.split("[?#]", re.sub("(?<=//)[^/]*@", "", url, count=1))[0]
    return "".join(character if character.isprintable() else "?" for character in plain[:200])
