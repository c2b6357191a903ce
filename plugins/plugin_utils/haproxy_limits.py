# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no promise of stability to other collections.
"""What HAProxy takes as a number, a duration or a word of its file: one table, and one sentence for each way to be outside of it."""

from __future__ import annotations

import re
import typing as t

from .addresses import shown

MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
# HAProxy counts time in milliseconds, in 31 bits
LONGEST = 2**31 - 1
LONGEST_TEXT = "24d"

# HAProxy splits a line into so many words, and two of them name one certificate; a dozen are the others of a bind line
WORDS = 64
CERTIFICATES = (WORDS - 12) // 2
# Most of one kind of line; far beyond what anybody lists, and bounded work for HAProxy at each request
LINES = 1000

# what: (least, most)
NUMBERS: dict[str, tuple[int, int]] = {
    "port": (1, 65535),
    "check_port": (1, 65535),
    # 0 is no agent
    "agent_port": (0, 65535),
    # 0 is the port of haproxy_lb_port
    "public_port": (0, 65535),
    "maxconn": (1, 1_000_000),
    "weight": (0, 256),
    # 0 is no limit
    "source_sessions": (0, LONGEST),
    "source_rate": (0, LONGEST),
    "source_pages": (0, LONGEST),
    "hsts_max_age": (0, LONGEST),
    # 0 derives it; the most is the kernel's own for fs.nr_open
    "nofile": (0, 2_147_483_584),
    # 0 counts them
    "active_balancers": (0, 1000),
}

# what: (the form, the longest, what to write). Every form is of ASCII alone, and has neither blanks nor quotes, # or backslashes
WORDS_OF: dict[str, tuple[re.Pattern[str], int, str]] = {
    "server": (re.compile(r"[A-Za-z0-9_.:-]+"), 253, "letters, digits and _ . : -"),
    "pool": (re.compile(r"[A-Za-z0-9_-]+"), 64, "letters, digits, _ and -"),
    "bundle": (re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*"), 200, "letters, digits and . _ -, and begin it with a letter or a digit"),
    "path": (re.compile(r"/[A-Za-z0-9._~:@!&()*+,;=%/-]*"), 1024, "a path: begin it with / and leave out blanks, quotes, ? and #"),
    "page": (re.compile(r"/[A-Za-z0-9._~:@!&()*+,;=%/?-]*"), 1024, "a path: begin it with / and leave out blanks, quotes and #"),
    # Names of headers are tokens; those of parameters stay below what HAProxy reads anew
    "header": (re.compile(r"[A-Za-z0-9_-]+"), 64, "letters, digits, _ and -"),
    "package": (re.compile(r"[A-Za-z0-9][A-Za-z0-9+._:~=*/-]*"), 128, "the name of a package, with its version where need be"),
}


def number(what: str, value: object, called: str) -> int:
    """Return the number; ValueError with a sentence for what is none, or none that HAProxy takes."""
    least, most = NUMBERS[what]
    digits = "" if isinstance(value, bool) else str(value)
    if not re.fullmatch(r"-?[0-9]{1,18}", digits) or not least <= int(digits) <= most:
        raise ValueError(f"{called}: {shown(value)} is no whole number from {least} to {most}")
    return int(digits)


def word(what: str, value: object, called: str) -> str:
    """Return the text; ValueError with a sentence for what HAProxy would take for something else."""
    form, longest, advice = WORDS_OF[what]
    text = str(value)
    if len(text) > longest:
        raise ValueError(f"{called}: {shown(text)} has {len(text)} characters, {longest} are the most")
    if not form.fullmatch(text):
        raise ValueError(f"{called}: {shown(text)} cannot be used; write {advice}")
    return text


def duration(value: object, called: str) -> str:
    """Return the duration as HAProxy reads it; ValueError with a sentence for what is none, or too long a one."""
    text = str(value)
    match = re.fullmatch(r"([1-9][0-9]{0,15})(ms|s|m|h|d)", text)
    if match is None:
        raise ValueError(f"{called} is {shown(text)}, which is no duration; write a number and its unit, as in 30s, 90m or 12h")
    if int(match[1]) * MILLISECONDS[match[2]] > LONGEST:
        raise ValueError(f"{called} is {text}, longer than HAProxy can count ({LONGEST} ms); {LONGEST_TEXT} is about the most")
    return text


def choice(value: object, choices: t.Iterable[str], called: str) -> str:
    """Return the one of the choices that it is."""
    choices = list(choices)
    if value not in choices:
        raise ValueError(f"{called}: {shown(value)} is none of {', '.join(choices)}")
    return str(value)
