# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives like the WebSDK's, good and bad."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from pathlib import Path

PAGE = "examples/demo/streaming/two_way_streaming/two_way_streaming.html"
UTILS = "examples/demo/dependencies/js/utils.js"
CONSOLE = "examples/demo/streaming/console/ports.js"

FILES = {
    "flashphoner.js": b"// " + b"the WebSDK\n" * 500,
    "package.json": b'{"name": "@flashphoner/websdk", "version": "2.0.276"}',
    PAGE: b'<!DOCTYPE html><script src="../../../../flashphoner.js"></script><script src="../../dependencies/js/utils.js"></script>\n' * 20,
    UTILS: b"function getPortsConfig() {\n    return SERVER_PORTS;\n}\n" + b"// ports\n" * 200,
    CONSOLE: b"const SERVER_PORTS = {wss: 8443};\n",
    "examples/demo/dependencies/jquery/jquery-1.12.0.js": b"/* jQuery */\n" * 200,
    "examples/demo/streaming/embed_player/copy-to-clipboard@latest": b"/* a script */\n",
    "examples/demo/dependencies/bootstrap/fonts/glyphicons.woff2": b"wOF2",
    "examples/demo/.project": b"<project/>\n",
    "doc/index.html": b"<!DOCTYPE html><title>API</title>\n",
}


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "", mode: int = 0o644, size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode, info.size = kind, target, mode, size
    info.uid = info.gid = 12345
    return info


def header(name: str, kind: bytes, size: int | None = None, data: bytes = b"") -> bytes:
    """A header as tar writes it, of any kind and with any size, and its data."""
    info = member(name, kind, size=len(data) if size is None else size)
    return info.tobuf(tarfile.GNU_FORMAT) + data + bytes(-len(data) % tarfile.BLOCKSIZE)


def pack(path: Path, files: dict[str, bytes] | None = None, prefix: str = "package/", extra: tuple = ()) -> Path:
    """Write an archive: the files below the prefix, and extra members as they are."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in (FILES if files is None else files).items():
            archive.addfile(member(prefix + name, mode=0o6777, size=len(content)), io.BytesIO(content))
        for info in extra:
            archive.addfile(info, io.BytesIO(bytes(info.size)))
    return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def snapshot(path: Path) -> dict:
    """Everything about a directory that a run of the module could change."""
    found = {}
    for directory, directories, files in os.walk(path):
        for name in (*directories, *files):
            entry = os.path.join(directory, name)
            status = os.lstat(entry)
            content = os.readlink(entry) if os.path.islink(entry) else open(entry, "rb").read() if os.path.isfile(entry) else None
            found[os.path.relpath(entry, path)] = (status.st_mode, status.st_ino, status.st_mtime_ns, content)
    return found
