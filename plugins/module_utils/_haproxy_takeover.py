# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no promise of stability to other collections.
"""Whose haproxy.cfg this is, and what of it would be gone: text in, names out."""

from __future__ import annotations

import hashlib
import re

SEAL = re.compile(rb"(?m)^# ([0-9a-f]{64}) is the SHA-256 of the lines above[^\n]*\n?")
# What begins a section that can be named, in any release
KIND = re.compile(
    "acme|backend|cache|crt-store|fcgi-app|frontend|http-errors|listen|log-forward|log-profile|mailers|peers|program|resolvers|ring|traces|userlist"
)
# The sections of the how-to's file, which the role's are made to replace, and those of the role's own, when somebody has changed it
REPLACED = re.compile(r"frontend wcs-balancer|backend wcs_(back|web_admin)")
OURS = re.compile(r"frontend wcs-(balancer|redirect)|backend wcs_(back|back_.*|web|pages)|resolvers host")


def sealed(data: bytes) -> bool:
    """Whether this is a file of the role as the role wrote it: its last line has the SHA-256 of those above."""
    above, newline, last = data.rstrip(b"\n").rpartition(b"\n")
    match = SEAL.fullmatch(last)
    return match is not None and match[1].decode() == hashlib.sha256(above + newline).hexdigest()


def sections(text: str) -> list[str]:
    """Return the sections but global and defaults, as kind and name."""
    lines = (line.split("#")[0].split()[:2] for line in text.split("\n"))
    return list(dict.fromkeys(" ".join(words) for words in lines if words and KIND.fullmatch(words[0])))


def gone(data: bytes, kept: str) -> list[str]:
    """Return the sections that are in no file of the role, and not among those that are kept."""
    stays = set(sections(kept))
    replaced = (REPLACED, OURS) if SEAL.search(data) else (REPLACED,)
    found = sections(data.decode("utf-8", "replace"))
    return [section for section in found if section not in stays and not any(form.fullmatch(section) for form in replaced)]


def packaged(output: str, path: str) -> str:
    """Return the digest of a file as its package brought it, from what dpkg-query or rpm says; nothing when they say none."""
    words = (line.split() for line in output.split("\n"))
    return next((line[1] for line in words if len(line) > 1 and line[0] == path), "")


def untouched(data: bytes, digest: str) -> bool:
    """Whether a file has this digest, MD5 or SHA-256."""
    return digest in (hashlib.md5(data, usedforsecurity=False).hexdigest(), hashlib.sha256(data).hexdigest())
