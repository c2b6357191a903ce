# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages of documentation as the tests read them: their lines, their examples, and the commands that they show."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ansible_collections.webcallserver.balancer.tests.support.paths import CHECKOUT

PAGES = [CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", *sorted(CHECKOUT.glob("docs/*.md")), *sorted(CHECKOUT.glob("roles/*/README.md"))]
FENCE = re.compile(r"\s*```(\S*)$")
# A prompt: $ is the machine where Ansible runs, NAME# root on a host, NAME$ somebody there
PROMPT = re.compile(r"([\w.-]*)([$#]) (.+)")


class Block(NamedTuple):
    """What stands between two fences."""

    language: str
    line: int  # of the first fence
    text: str
    marked: str  # the word behind "example:" in a comment above it


class Command(NamedTuple):
    """A command that a page shows."""

    line: int
    host: str  # "" is the machine where Ansible runs
    root: bool
    text: str


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def called(page: Path) -> str:
    return page.relative_to(CHECKOUT).as_posix()


def blocks(text: str) -> list[Block]:
    """Return the fenced blocks of a page."""
    found: list[Block] = []
    lines = text.split("\n")
    begin = -1
    for number, line in enumerate(lines):
        match = FENCE.match(line)
        if not match:
            continue
        if begin < 0:
            begin = number
            continue
        mark = re.fullmatch(r"<!-- example: (\w+) -->", lines[begin - 1])
        language = FENCE.match(lines[begin])
        found.append(Block(language[1] if language else "", begin + 1, "\n".join(lines[begin + 1 : number]) + "\n", mark[1] if mark else ""))
        begin = -1
    return found


def commands(text: str) -> Iterator[Command]:
    """Return the commands of a page in their order; what stands in a console without a prompt is what they print."""
    for block in blocks(text):
        for number, line in enumerate(block.text.split("\n"), start=block.line + 1):
            match = PROMPT.match(line) if block.language == "console" else None
            if match:
                yield Command(number, match[1], match[2] == "#", match[3].strip())


def prose(text: str) -> str:
    """Return a page without its blocks and comments, line by line as it was."""
    kept = []
    inside = False
    for line in text.split("\n"):
        fence = FENCE.match(line)
        inside = inside != bool(fence)
        kept.append("" if inside or fence else line)
    return re.sub(r"<!--.*?-->", lambda match: "\n" * match[0].count("\n"), "\n".join(kept), flags=re.DOTALL)


def example(page: Path, name: str) -> str:
    """Return the one example of that name on a page."""
    (found,) = (block.text for block in blocks(read(page)) if block.marked == name)
    return found
