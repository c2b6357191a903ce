# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A second reader of Java properties files, one character at a time, to hold the collection's against.

It follows the description of java.util.Properties.load; tests/integration/java holds it against Java itself.
"""

from __future__ import annotations

BLANKS = " \t\f"
EOLS = "\r\n"


class Malformed(Exception):
    """A Unicode escape that Java refuses."""


def logical_lines(data: bytes) -> list[tuple[bytes, str | None, str]]:
    """The logical lines of a file: raw bytes, key (None for a comment or blank line), value."""
    text = data.decode("latin-1")
    lines = []
    position = 0
    while position < len(text):
        start = position
        logical, position = _logical_line(text, position)
        raw = text[start:position].encode("latin-1")
        lines.append((raw, None, "") if logical is None else (raw, *_key_and_value(logical)))
    return lines


def mapping(data: bytes) -> dict[str, str]:
    return {key: value for _raw, key, value in logical_lines(data) if key is not None}


def _logical_line(text: str, position: int) -> tuple[str | None, int]:
    collected = ""
    position = _after_blanks(text, position)
    while position < len(text):
        character = text[position]
        if not collected and character in "#!":
            while position < len(text) and text[position] not in EOLS:
                position += 1
            return None, _after_eol(text, position)
        if character in EOLS:
            return collected or None, _after_eol(text, position)
        if character != "\\":
            collected += character
            position += 1
        elif position + 1 == len(text):
            position += 1
        elif text[position + 1] in EOLS:
            position = _after_blanks(text, _after_eol(text, position + 1))
        else:
            collected += text[position : position + 2]
            position += 2
    return collected or None, position


def _after_blanks(text: str, position: int) -> int:
    while position < len(text) and text[position] in BLANKS:
        position += 1
    return position


def _after_eol(text: str, position: int) -> int:
    return position + (2 if text[position : position + 2] == "\r\n" else 1 if position < len(text) else 0)


def _key_and_value(logical: str) -> tuple[str, str]:
    end = 0
    while end < len(logical) and logical[end] not in BLANKS + "=:":
        end += 2 if logical[end] == "\\" else 1
    start = _after_blanks(logical, end)
    if logical[start : start + 1] in ("=", ":"):
        start = _after_blanks(logical, start + 1)
    return _unescaped(logical[:end]), _unescaped(logical[start:])


def _unescaped(raw: str) -> str:
    units = b""
    position = 0
    while position < len(raw):
        character = raw[position]
        position += 1
        if character == "\\":
            character = raw[position]
            position += 1
            if character == "u":
                digits = raw[position : position + 4]
                if len(digits) < 4 or set(digits) - set("0123456789abcdefABCDEF"):
                    raise Malformed(digits)
                character = chr(int(digits, 16))
                position += 4
            elif character in "tnrf":
                character = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}[character]
        units += character.encode("utf-16-be", "surrogatepass")
    return units.decode("utf-16-be", "surrogatepass")
