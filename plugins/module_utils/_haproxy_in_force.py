# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no promise of stability to other collections.
"""What haproxy serves, beside what lies on disk: the leaf of a bundle, where to look at it, and the keys of session tickets."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import socket
import ssl
import typing as t

BEGIN, END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
BIND = re.compile(r"(\*|[0-9.]*|\[[0-9A-Fa-f:.]+\]|[0-9A-Fa-f:.]*):([0-9]{1,5})")
TICKET = re.compile(r"(?m)^[0-9]+\.[0-9]+ (\S+)$")
# With TLS 1.2 a client says by its ciphers which kind of certificate it can take; TLS 1.3 has no such words in Python
KINDS = ("ECDHE+aECDSA", "ECDHE+aRSA")
TIMEOUT = 3.0


class Bind(t.NamedTuple):
    """An address where haproxy speaks TLS, as one connects to it, with the bundles of its line."""

    address: str
    port: int
    bundles: tuple[str, ...]


class Configuration(t.NamedTuple):
    """What matters here of haproxy.cfg."""

    binds: list[Bind]
    socket: str
    ticket_keys: str


def parse(text: str) -> Configuration:
    """Read the binds with TLS, the socket and the ticket keys from haproxy.cfg; lines of another form count for nothing."""
    binds, admin, keys = [], "", ""
    for line in text.split("\n"):
        words = line.split()
        if words[:2] == ["stats", "socket"] and len(words) > 2:
            admin = admin or words[2]
        if words[:1] != ["bind"]:
            continue
        following = list(zip(words, words[1:]))
        bundles = tuple(value for word, value in following if word == "crt")
        keys = keys or next((value for word, value in following if word == "tls-ticket-keys"), "")
        for address in words[1].split(",") if bundles else ():
            match = BIND.fullmatch(address)
            if match and int(match[2]) <= 65535:
                host = match[1].strip("[]*")
                binds.append(Bind({"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), int(match[2]), bundles))
    return Configuration(binds, admin, keys)


def leaf(bundle: bytes) -> str:
    """Return the SHA-256 of the first certificate in a PEM file, or nothing."""
    begin = bundle.find(BEGIN)
    end = bundle.find(END, begin)
    if begin < 0 or end < 0:
        return ""
    try:
        return hashlib.sha256(base64.b64decode(bundle[begin + len(BEGIN) : end])).hexdigest()
    except (binascii.Error, ValueError):
        return ""


def served(bind: Bind, name: str, kind: str) -> str:
    """Return the SHA-256 of the certificate that a new client is given, or nothing when it is given none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(kind)
        connection = socket.create_connection((bind.address, bind.port), TIMEOUT)
        with connection, context.wrap_socket(connection, server_hostname=name or None) as session:
            return hashlib.sha256(session.getpeercert(binary_form=True) or b"").hexdigest()
    except (OSError, ValueError):
        return ""


def foreign(binds: list[Bind], names: list[str], leaves: dict[str, str], look: t.Callable[[Bind, str, str], str] = served) -> list[str]:
    """Return where a client is given a certificate that is in none of the bundles, a clause each."""
    found = []
    for bind in binds:
        expected = {leaves.get(bundle, "") for bundle in bind.bundles}
        # A directory, or a name below one: not one of the role's
        if "" in expected:
            continue
        for name in ["", *names]:
            given = {look(bind, name, kind) for kind in KINDS} - {""}
            if given - expected:
                found.append(f"another certificate than that of its file is served at port {bind.port} of {bind.address}" + (f" for {name}" if name else ""))
    return found


def ticket_keys(text: str) -> list[str]:
    """Return the keys in an answer to show tls-keys, oldest first."""
    return TICKET.findall(text)


def open_files(limits: str, hard: bool = False) -> int:
    """Return how many files a process may open, or may ask for at most, from its /proc/PID/limits; 0 when that is not said."""
    match = re.search(r"(?m)^Max open files +([0-9]+) +([0-9]+) ", limits)
    return int(match[2 if hard else 1]) if match else 0
