# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no promise of stability to other collections.
"""Java properties files: read as java.util.Properties.load(InputStream) reads them, changed without touching anything else.

Bytes are decoded as ISO-8859-1, as Java does: every byte is a character, so whatever is not asked for comes out as it went in.
What is written is ASCII: anything else becomes a Unicode escape, which means the same to a program that reads the file as UTF-8.
"""

from __future__ import annotations

import re
import typing as t

HEADING = "# Added by Ansible (webcallserver.balancer.flashphoner_properties)"
MASK = "********"

_EOL = r"(?:\r\n|\r|\n)"
_BLANK = r"[ \t\f]"
# A backslash before the end of a line, or of the file, vanishes together with that end and with the blanks that follow.
_CONTINUATION = rf"\\(?:{_EOL}{_BLANK}*|\Z)"
_ESCAPE = r"\\[^\r\n]"
_LINE = re.compile(
    rf"(?P<lead>{_BLANK}*(?:{_CONTINUATION})*)"
    rf"(?:(?P<comment>[#!][^\r\n]*)"
    rf"|(?P<key>(?:{_CONTINUATION}|{_ESCAPE}|[^\\\r\n \t\f=:]+)*)"
    rf"(?P<separator>(?:{_CONTINUATION}|{_BLANK})*(?:[=:](?:{_CONTINUATION}|{_BLANK})*)?)"
    rf"(?P<value>(?:{_CONTINUATION}|{_ESCAPE}|[^\\\r\n]+)*))"
    rf"(?P<end>{_EOL}|\Z)"
)
_CONTINUED = re.compile(rf"({_ESCAPE})|{_CONTINUATION}")
_DANGLING = re.compile(r"(?<!\\)(?:\\\\)*\\\Z")
_ESCAPED = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)")
_COMMENTED_OUT = re.compile(rf"{_BLANK}*[#!][#! \t\f]*(?P<key>(?![#!])(?:{_ESCAPE}|[^\\\r\n \t\f=:])+){_BLANK}*[=:]")

_MEANING = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_SHORT = {meaning: "\\" + letter for letter, meaning in _MEANING.items()}
_NOT_IN_KEY = re.compile(r"[^!-~]|[\\=:#!]")
_NOT_IN_VALUE = re.compile(r"[^ -~]|\\")

# A name is secret by one of its words: "keystorePass", "db.password", "api_key" and "AUTHTOKEN", but not "monkey", "bypass" or "key_frame_interval".
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SECRET_WORDS = frozenset([
    "pass", "pw", "pwd", "pin", "psk", "otp", "jwt", "bearer", "salt", "passcode", "cred", "creds", "key", "keys", "psks", "authorization",
    "signature",
])  # fmt: skip
_SECRET_PARTS = ("passw", "passphrase", "secret", "credential", "pwd", "token")
_SECRET_ENDS = ("pass", "key", "keys", "psk", "passcode", "pw", "pws", "pincode")
_ORDINARY_WORDS = frozenset([
    "bypass", "compass", "encompass", "surpass", "trespass", "overpass", "underpass", "lowpass", "highpass", "bandpass", "allpass", "multipass",
    "onepass", "twopass", "firstpass", "monkey", "donkey", "turkey", "hockey", "jockey", "whiskey", "hotkey", "turnkey", "lackey", "tokenizer",
    "tokenize", "secretary",
])  # fmt: skip
# What follows "key" where that is no secret but a picture, a place or a kind
_OF_A_KEY = frozenset([
    "frame", "frames", "interval", "intervals", "size", "length", "alias", "type", "path", "file", "store", "usage", "exchange", "algorithm", "event",
    "events", "code",
])  # fmt: skip
_NAME_IN_TEXT = re.compile(r"(?<![\w.-])(?P<name>[\w.-]{1,120})[\"']?[ \t\f]*[=:](?=[^\r\n])")
_PASSWORD_IN_ADDRESS = re.compile(r"(?<=//)[^/\s?#]+(?=@)")
_SECRET_VALUE = re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY|\b(?i:bearer|basic) [\w.~+/-]{8}|(?<![\w-])eyJ[\w-]{5,}\.[\w-]{5,}")

# What only looks like a properties file, by its first bytes that are no blanks
_FOREIGN = (
    (re.compile(rb"\xff\xfe.\0|\xfe\xff\0.|[ -~]\0[\t -~]\0|\0[ -~]\0[\t -~]", re.DOTALL), "is text in UTF-16, which Java does not read properties in"),
    (re.compile(rb"\xfe\xed\xfe\xed|\xce\xce\xce\xce|\x30[\x80-\x84]"), "is a keystore or a certificate"),
    (re.compile(rb"PK\x03\x04|\x1f\x8b|\x7fELF|\xca\xfe\xba\xbe"), "is an archive or a program"),
    (re.compile(rb"(?:\xef\xbb\xbf)?\s*<[?!/A-Za-z]"), "is XML"),
    (re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:\{|\[\s*[\{\"\[])"), "is JSON"),
    (re.compile(rb"\s*-----BEGIN "), "is a key or a certificate"),
    (re.compile(rb"#!\s*/"), "is a program"),
    (re.compile(rb"(?:[#;][^\n]*\n|\s)*(?:---\s|!!|%YAML )"), "is YAML"),
    (re.compile(rb"(?:[#;][^\n]*\n|\s)*\[(?:Unit|Service|Install)\]"), "is a unit of systemd"),
    (re.compile(rb"(?:#[^\n]*\n|\s)*export[ \t]+\w+="), "is a script of a shell"),
)
_JVM_OPTION = re.compile(r"-(?:X|D|agent|java|verbose|server$|client$|ea$|-)")


class PropertiesError(ValueError):
    """A file that Java would not load, or a mapping no file can hold; the message is one sentence for the user."""


class Line(t.NamedTuple):
    """One logical line: an entry with its continuation lines, or a comment or blank line, whose key is None."""

    raw: str
    key: str | None = None
    value: str = ""
    head: str = ""
    separator: str = ""
    end: str = ""
    comment: bool = False


def load(data: bytes) -> dict[str, str]:
    """What java.util.Properties loads from a file: the last of several lines with the same key counts."""
    return {line.key: line.value for line in _parse(data) if line.key is not None}


def texts(properties: dict[str, object]) -> dict[str, str | None]:
    """A mapping from YAML, its values as a properties file holds them; None, for a key to be removed, stays None."""
    return {key: _text(key, value) for key, value in properties.items()}


def refuse_foreign(data: bytes, wanted: dict[str, str | None]) -> None:
    """Refuse a file that is of another kind, and properties that are options of the Java virtual machine."""
    for form, is_what in _FOREIGN:
        if form.match(data):
            raise PropertiesError(f"this {is_what}: name the properties file, in ISO-8859-1 or UTF-8.")
    option = next((key for key in load(data) if _JVM_OPTION.match(key)), None)
    if option is not None:
        raise PropertiesError(
            f"this holds options of the Java virtual machine ({option}), one a line, and no properties: edit it with ansible.builtin.lineinfile."
        )
    option = next((key for key in wanted if _JVM_OPTION.match(key)), None)
    if option is not None:
        raise PropertiesError(
            f"{option} is an option of the Java virtual machine and no property: it belongs into conf/wcs-core.properties, a line of its own."
        )


def pending(started_on: dict[str, str] | None, wanted: dict[str, str | None]) -> list[str]:
    """The keys that mean something else in what the server was started on than they should; all of them where that is not known."""
    return [key for key, value in wanted.items() if started_on is None or started_on.get(key) != value]


def merge(data: bytes, wanted: dict[str, str | None]) -> bytes:
    """The same file with the wanted properties, and without those wanted None. Everything else is kept byte for byte."""
    # The line before the first is an anchor for additions to an empty file.
    lines = [Line(""), *_parse(data)]
    entries: dict[str, list[int]] = {}
    for number, line in enumerate(lines):
        if line.key is not None:
            entries.setdefault(line.key, []).append(number)
    commented_out = _commented_out(lines)
    raws = [line.raw for line in lines]
    additions: dict[int, list[str]] = {}
    homeless = []
    for key, value in wanted.items():
        found = entries.get(key, [])
        for number in found if value is None else found[:-1]:
            raws[number] = ""
        if value is None:
            continue
        if found:
            winner = lines[found[-1]]
            if winner.value != value:
                raws[found[-1]] = _replaced(winner, value)
        elif key in commented_out:
            additions.setdefault(commented_out[key], []).append(_entry(key, value))
        else:
            homeless.append(_entry(key, value))
    if homeless:
        number, heading = _block(lines)
        additions.setdefault(number, []).extend(heading + homeless)
    eol = next((line.end for line in reversed(lines) if line.end), "\n")
    for number, added in additions.items():
        end = lines[number].end or eol
        raws[number] = _terminated(raws[number], lines[number], end) + "".join(text + end for text in added)
    return "".join(raws).encode("latin-1")


def hidden(properties: t.Mapping[str, object]) -> dict[str, object]:
    """The mapping as it may be shown: without the values that look secret, and without half characters, which Ansible's results cannot carry."""
    return {str(_whole(key)): MASK if value is not None and _is_secret(key, value) else _whole(value) for key, value in properties.items()}


def masked(data: bytes, changed: list[str] | None = None) -> str:
    """The file for people to look at: without the values that look secret, those of the changed keys marked as such."""
    shown = []
    for line in _parse(data):
        if line.key is not None and _is_secret(line.key, line.value):
            shown.append(line.head + MASK + (" (changed)" if line.key in (changed or []) else "") + line.end)
        elif line.comment:
            shown.append(_masked_text(line.raw))
        else:
            shown.append(line.raw)
    readable = "".join(shown).encode("latin-1")
    try:
        return readable.decode("utf-8")
    except UnicodeDecodeError:
        return readable.decode("latin-1")


def _is_secret(key: str, value: object) -> bool:
    text = str(value)
    return _is_secret_name(key) or _masked_text(text) != text


def _is_secret_name(name: str) -> bool:
    words = [word.lower() for word in _WORD.findall(name)]
    return any(_is_secret_word(word, after) for word, after in zip(words, [*words[1:], ""]))


def _is_secret_word(word: str, after: str) -> bool:
    if word in _ORDINARY_WORDS or word.rstrip("s") in _ORDINARY_WORDS:
        return False
    if word.endswith(("key", "keys")) and after in _OF_A_KEY:
        return False
    return word in _SECRET_WORDS or word.endswith(_SECRET_ENDS) or any(part in word for part in _SECRET_PARTS)


def _masked_text(text: str) -> str:
    """Text that holds no property, such as a comment or a value, without what is secret in it."""
    end = len(text.rstrip("\r\n"))
    named = (match.end() for match in _NAME_IN_TEXT.finditer(text) if _is_secret_name(match["name"]))
    value = _SECRET_VALUE.search(text)
    start = min([*named, value.start() if value else end], default=end)
    text = text[:start] + (MASK if start < end else "") + text[end:]
    return _PASSWORD_IN_ADDRESS.sub(MASK, text)


def _whole(value: object) -> object:
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def _parse(data: bytes) -> list[Line]:
    text = data.decode("latin-1")
    lines = []
    for found in _LINE.finditer(text):
        if not found[0]:
            continue
        if not (found["key"] or found["separator"]):
            lines.append(Line(found[0], end=found["end"], comment=found["comment"] is not None))
            continue
        head = found["lead"] + found["key"] + found["separator"]
        try:
            lines.append(Line(found[0], _unescaped(found["key"]), _unescaped(found["value"]), head, found["separator"], found["end"]))
        except PropertiesError as problem:
            number = len(re.findall(_EOL, text[: found.start()])) + 1
            raise PropertiesError(f"line {number} has {problem}") from None
    return lines


def _unescaped(raw: str) -> str:
    """What a key or value of a file means."""

    def meaning(found: re.Match[str]) -> str:
        escape = found[1]
        if escape == "u":
            raise PropertiesError("a \\u without four hexadecimal digits, for which Java refuses the whole file: correct that line first.")
        return chr(int(escape[1:], 16)) if len(escape) > 1 else _MEANING.get(escape, escape)

    text = _ESCAPED.sub(meaning, _CONTINUED.sub(lambda found: found[1] or "", raw))
    # Java holds a character beyond U+FFFF as two; Python must see it as one to find it equal.
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def _unicode_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex().upper()
    return "".join("\\u" + units[place : place + 4] for place in range(0, len(units), 4))


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    if character in _SHORT:
        return _SHORT[character]
    return "\\" + character if " " <= character <= "~" else _unicode_escape(character)


def _escaped_key(key: str) -> str:
    return _NOT_IN_KEY.sub(_escape, key)


def _escaped_value(value: str) -> str:
    # Blanks at the ends must survive both Java, which skips leading ones, and editors, which strip trailing ones.
    return re.sub(r"\A | \Z", r"\\u0020", _NOT_IN_VALUE.sub(_escape, value))


def _entry(key: str, value: str) -> str:
    """In column 0 and with "=" right behind the key, as the vendor's scripts look for it."""
    return f"{_escaped_key(key)}={_escaped_value(value)}"


def _replaced(line: Line, value: str) -> str:
    """The line with another value, its key, separator and blanks as they were."""
    head = _DANGLING.sub(lambda found: found[0][:-1], line.head)
    text = _escaped_value(value)
    if not line.separator:
        head += "="
    elif text.startswith(("=", ":")) and not re.search("[=:]", line.separator):
        text = "\\" + text
    return head + text + line.end


def _commented_out(lines: list[Line]) -> dict[str, int]:
    """For every key that a comment sets: the last such line."""
    places = {}
    for number, line in enumerate(lines):
        found = _COMMENTED_OUT.match(line.raw) if line.comment else None
        if found:
            places[_plain(found["key"])] = number
    return places


def _plain(raw: str) -> str:
    try:
        return _unescaped(raw)
    except PropertiesError:
        # A comment may say what it likes.
        return raw


def _block(lines: list[Line]) -> tuple[int, list[str]]:
    """After which line to add what has no place of its own, and the heading to put above it unless it is there already."""
    for number, line in enumerate(lines):
        if line.raw.strip() == HEADING:
            while number + 1 < len(lines) and lines[number + 1].key is not None:
                number += 1
            return number, []
    last = lines[-1]
    return len(lines) - 1, [HEADING] if not last.raw.strip() else ["", HEADING]


def _terminated(raw: str, line: Line, eol: str) -> str:
    """A line that others can follow."""
    if not raw or line.end:
        return raw
    # After a backslash the first end of line only continues the line.
    return raw + eol * (2 if not line.comment and _DANGLING.search(raw) else 1)


def _text(key: str, value: object) -> str | None:
    if not key:
        raise PropertiesError("one of the wanted properties has an empty name.")
    if _whole(key) != key or _whole(value) != value:
        raise PropertiesError(f"the property {_whole(key)} or the value wanted for it is not text in UTF-8.")
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    raise PropertiesError(f"the value wanted for {key} is a {type(value).__name__}: give text, a number or a boolean, or null to remove the key.")
