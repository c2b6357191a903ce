# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Properties files in every spelling that Java allows, and mappings to merge into them; the same ones for the same seed."""

from __future__ import annotations

import random

KEYS = (
    "ws.port", "wss.port", "ip", "keep_alive.algorithm", "a", "b", "with blank", "c=d", "e:f", "#g", "!h", "clé", "ключ", "😀", "tab\tkey",
    "back\\slash", "u0041", "line\nend",
)  # fmt: skip
VALUES = (
    "true", "false", "8080", "", " ", " led", "trailed ", "a=b", ":x", "=y", "#no comment", "!neither", "C:\\dir\\new\\temp", "two\nlines", "two\r\nlines",
    "café", "日本", "😀 x", "\x00\x7f\x85\xa0", "\\", "\\\\", "\ttab", "\fform feed", "\u2028", "\ud800", "\udcff", "https://host:8444/?a=b&c", "u0041",
    "http\\://host", "\\u0041",
)  # fmt: skip
FRAGMENTS = ("\\", "\\\\", "=", ":", " ", "\t", "\f", "\r", "\n", "\r\n", "#", "!", "a", "b", "ws.port", "\\u0041", "\\t", "\xe9", "\xc3\xa9", "\\\n", "8080")


def case(seed: int) -> tuple[bytes, dict[str, str | None]]:
    """A file and the properties wanted in it."""
    chance = random.Random(seed)
    text = _scribble(chance) if seed % 4 == 0 else _file(chance)
    return text.encode("latin-1"), {key: chance.choice((*VALUES, None, None, None)) for key in chance.sample(KEYS, chance.randint(1, 6))}


def _scribble(chance: random.Random) -> str:
    """Whatever comes, but with no malformed Unicode escape, and with more than a backslash in the last line."""
    return "".join(chance.choices(FRAGMENTS, k=chance.randint(0, 60))) + chance.choice((" a", "\na", "a\n", "\n#", "\na=b\\"))


def _file(chance: random.Random) -> str:
    eols = chance.choice((["\n"], ["\r\n"], ["\r"], ["\n", "\r\n"]))
    keys = chance.sample(KEYS, 6)
    pieces = [chance.choice((_entry, _entry, _entry, _comment, _blank))(chance, keys, eols) for _number in range(chance.randint(0, 14))]
    text = "".join(piece + chance.choice(eols) for piece in pieces)
    if chance.random() < 0.4:
        text += chance.choice(("# the end", "last", "last = 1", "last = 1\\", "last\\", "last:\\" + eols[0], "   "))
    return text


def _blank(chance: random.Random, _keys: list[str], _eols: list[str]) -> str:
    return chance.choice(("", "", " ", "\t", " \f "))


def _comment(chance: random.Random, keys: list[str], eols: list[str]) -> str:
    return (
        chance.choice(("", " ", "\t"))
        + chance.choice("#!")
        + chance.choice(("", " prose", " ends in \\", " \\uZZZZ", " b\xe9b\xc3\xa9", "#", " " + _entry(chance, keys), _entry(chance, keys)))
    )


def _entry(chance: random.Random, keys: list[str], eols: list[str] | None = None) -> str:
    """An entry; with ends of line to choose from, it may continue on further lines."""
    separator = chance.choice(("=", "=", " =", " = ", ":", " : ", " ", "\t", "\f= ", "= \t"))
    value = chance.choice(VALUES)
    indent = chance.choice(("", "", "", "  ", "\t", "\f"))
    tokens = _spelt(chance, chance.choice(keys), " \t\f=:#!") + [separator]
    spelt = _spelt(chance, value, "")
    if value[:1] in (" ", "\t", "\f", "=", ":") and len(spelt[0]) == 1:
        spelt[0] = "\\" + spelt[0]
    if not value and chance.random() < 0.3:
        tokens.pop()
    return indent + _joined(chance, tokens + spelt, eols or [])


def _spelt(chance: random.Random, text: str, special: str) -> list[str]:
    return [_character(chance, character, special) for character in text]


def _character(chance: random.Random, character: str, special: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    unicode = "".join("\\u" + (chance.choice((str.upper, str.lower))(units[place : place + 4])) for place in range(0, len(units), 4))
    spellings = [unicode] if len(units) > 4 or ord(character) > 255 or chance.random() < 0.1 else []
    if not spellings and character in "\t\n\r\f" and (character in "\n\r" or chance.random() < 0.5):
        spellings = [{"\t": "\\t", "\n": "\\n", "\r": "\\r", "\f": "\\f"}[character]]
    if not spellings and (character in special or character == "\\" or (chance.random() < 0.1 and character not in "tnrfu")):
        spellings = ["\\" + character]
    return spellings[0] if spellings else character


def _joined(chance: random.Random, tokens: list[str], eols: list[str]) -> str:
    """The tokens, sometimes with an end of line between them, or within a Unicode escape, where Java allows one."""
    text = ""
    for number, token in enumerate(tokens):
        if eols and chance.random() < 0.03:
            text += _continuation(chance, eols)
            # Java would skip it there.
            token = "\\" + token if token in (" ", "\t", "\f") and number else token
        if eols and token.startswith("\\u") and chance.random() < 0.1:
            token = token[:4] + _continuation(chance, eols) + token[4:]
        text += token
    return text


def _continuation(chance: random.Random, eols: list[str]) -> str:
    return "\\" + chance.choice(eols) + chance.choice(("", " ", "\t  "))
