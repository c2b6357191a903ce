# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no promise of stability to other collections.
"""Addresses, names and ports as people write them into variables; what is refused is a ValueError whose text says what to write."""

from __future__ import annotations

import ipaddress
import re
import typing as t

LABEL = re.compile(r"[0-9A-Za-z_]([0-9A-Za-z_-]{0,61}[0-9A-Za-z_])?")
LONGEST_NAME = 253
SHOWN = 60

Address = t.Union[ipaddress.IPv4Address, ipaddress.IPv6Address]


class Endpoint(t.NamedTuple):
    """A host, an address without brackets or a name, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def shown(text: object) -> str:
    """A value for a sentence: in quotes, on one line, and not longer than a sentence bears."""
    plain = str(text)
    return ascii(plain if len(plain) <= SHOWN else f"{plain[:SHOWN]}...")


def address(text: object) -> Address:
    """Read an IPv4 or IPv6 address, in brackets or not. A zone is refused: it is text of any kind, and belongs to one host alone."""
    plain = str(text)
    if plain.startswith("[") and plain.endswith("]") and ":" in plain:
        plain = plain[1:-1]
    if "%" in plain:
        raise ValueError(f"{shown(text)} has a zone (%), which an address for other hosts cannot have: leave it out")
    try:
        return ipaddress.ip_address(plain)
    except ValueError:
        raise ValueError(f"{shown(text)} is neither an IPv4 nor an IPv6 address") from None


def host(text: object) -> str:
    """Read an address or a name of a host; an address comes back as it is usually written, without brackets."""
    plain = str(text)
    labels = plain.split(".")
    # What ends in a number is an address to every resolver, or nothing
    if any(mark in plain for mark in ":[]%") or re.fullmatch(r"[0-9]+|0[xX][0-9A-Fa-f]*", labels[-1]):
        return str(address(plain))
    if len(plain) > LONGEST_NAME or not all(LABEL.fullmatch(label) for label in labels):
        raise ValueError(f"{shown(text)} is neither an address nor the name of a host")
    return plain


def port(text: object) -> int:
    """Read a port, a number from 1 to 65535."""
    plain = "" if isinstance(text, bool) else str(text)
    if not re.fullmatch(r"[1-9][0-9]{0,4}", plain) or int(plain) > 65535:
        raise ValueError(f"{shown(text)} is no port: ports are numbers from 1 to 65535")
    return int(plain)


def endpoint(text: object) -> Endpoint:
    """Read a host and a port, such as 192.0.2.1:80, [2001:db8::1]:80 or web.example.com:80."""
    plain = str(text)
    before, colon, after = plain.rpartition(":")
    bracketed = before.startswith("[") and before.endswith("]")
    if not colon or not before or (":" in before and not bracketed) or (bracketed and ":" not in before):
        raise ValueError(f"{shown(text)} is no address:port: write it as 192.0.2.1:80, [2001:db8::1]:80 or web.example.com:80")
    return Endpoint(host(before), port(after))
