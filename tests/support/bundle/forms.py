# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same bundle as people's files have it, and whether we and HAProxy read it."""

from __future__ import annotations

import typing as t

from ansible_collections.webcallserver.balancer.tests.support.bundle.authorities import House


class Form(t.NamedTuple):
    """A text of the ordinary bundle: whether we read it, and whether HAProxy loads it as it is, None where that depends on its OpenSSL."""

    name: str
    make: t.Callable[[House], bytes]
    read: bool = True
    loads: bool | None = True


def whole(h: House) -> bytes:
    return h.leaf.pem + h.chain + h.leaf.key


def each_line(prefix: bytes, text: bytes) -> bytes:
    return b"".join(prefix + line + b"\n" for line in text.split(b"\n"))


def above(text: bytes) -> t.Callable[[House], bytes]:
    return lambda h: text + whole(h)


def within(old: bytes, new: bytes, count: int = -1) -> t.Callable[[House], bytes]:
    return lambda h: whole(h).replace(old, new, count)


FORMS = [
    Form("as it is", whole),
    # Comments
    Form("another certificate commented out with #", lambda h: each_line(b"# ", h.stranger.pem) + whole(h)),
    Form("another certificate commented out with ;", lambda h: each_line(b"; ", h.stranger.pem) + whole(h)),
    Form("another certificate commented out with //", lambda h: each_line(b"// ", h.stranger.pem) + whole(h)),
    Form("another certificate quoted as mail", lambda h: each_line(b"> ", h.stranger.pem) + whole(h)),
    Form("another key commented out", lambda h: each_line(b"#", h.stranger.key) + whole(h)),
    Form("commented out between", lambda h: h.leaf.pem + each_line(b"#", h.stranger.pem) + h.chain + h.leaf.key),
    Form("commented out below", lambda h: whole(h) + each_line(b"#", h.stranger.pem)),
    Form("only its END commented", above(b"# -----END CERTIFICATE-----\n")),
    Form("only its BEGIN commented", above(b"# -----BEGIN CERTIFICATE-----\n")),
    Form("mark within a sentence", above(b"Copy from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----, both included.\n")),
    Form("mark with words behind it", above(b"-----BEGIN CERTIFICATE----- starts each certificate\n")),
    Form("mark with four dashes", above(b"----BEGIN CERTIFICATE----\n")),
    Form("mark in small letters", above(b"-----begin certificate-----\n")),
    Form("commented out but for its END and what is within", lambda h: h.stranger.pem.replace(b"-----BEGIN", b"#-----BEGIN") + whole(h)),
    # Text between
    Form("a line of text above", above(b"example.com, ordered in March\n")),
    Form("text between", within(b"-----\n-----B", b"-----\nsubject=CN = x\n\nissuer=CN = y\n-----B")),
    Form("UTF-8 between", above("# f\u00fcr uns\u00e4 -- \u2014\n".encode())),
    Form("a ruler of dashes", above(b"-" * 72 + b"\n")),
    Form("five dashes", above(b"-----\n")),
    Form("a long line above", above(b"x" * 5000 + b"\n")),
    Form("NUL in a comment", above(b"# a\x00b\n")),
    Form("text of openssl x509 -text", above(b"Certificate:\n    Data:\n        Version: 3 (0x2)\n")),
    # Blanks and ends of lines
    Form("CRLF", within(b"\n", b"\r\n")),
    Form("blank lines between", within(b"-----\n-----B", b"-----\n\n\n-----B")),
    Form("blanks at the end of lines", within(b"\n", b"  \n")),
    Form("tabs at the end of marks", within(b"-----\n", b"-----\t\n")),
    Form("no newline at the end", lambda h: whole(h).rstrip()),
    Form("control-Z at the end", lambda h: whole(h) + b"\x1a"),
    # Read by us alone
    Form("all lines indented", lambda h: each_line(b"    ", whole(h)), loads=False),
    Form("byte order mark", above(b"\xef\xbb\xbf"), loads=None),
    Form("old Mac", within(b"\n", b"\r"), loads=False),
    Form("on one line", within(b"\n", b" "), loads=False),
    Form("no newline between", within(b"-----\n-----B", b"----------B"), loads=False),
    # Read by nobody
    Form("NUL in a certificate", within(b"MII", b"M\x00I", 1), read=False, loads=False),
    Form("a comment within a certificate", within(b"-----\nMII", b"-----\n# leaf\nMII", 1), read=False, loads=False),
    Form("an example above", above(b"-----BEGIN CERTIFICATE-----\n...\n-----END CERTIFICATE-----\n"), read=False, loads=False),
    Form("cut off above", lambda h: h.leaf.pem[:300] + b"\n" + whole(h), read=False, loads=False),
]
