# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no promise of stability to other collections.
"""Where hosts of the inventory connect from; what is wrong with a variable is a ValueError with the sentence."""

from __future__ import annotations

import ipaddress
import re
import socket
import typing as t

Network = t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

# A name as DNS and /etc/hosts have it. Python's own parser takes a zone behind an address, and anything at all in it.
HOST_NAME = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?")
NETWORK = re.compile(r"[0-9A-Fa-f:.]{2,45}(/[0-9]{1,3})?")


def network(text: object) -> Network:
    """Return an address or a network as an ipaddress object; ValueError says what is wrong with it."""
    plain = str(text)
    if "%" in plain:
        raise ValueError(f"{plain[:80]!r} has a zone, which means something on one host alone")
    if not NETWORK.fullmatch(plain):
        raise ValueError(f"{plain[:80]!r} is neither an address nor a network")
    return ipaddress.ip_network(plain)


def _resolve(host: str, variable: str, value: object) -> set[Network]:
    """Return the networks behind an address, a network or a name."""
    address = str(value)
    try:
        return {network(address)}
    except ValueError as exc:
        if "/" in address or "%" in address or not HOST_NAME.fullmatch(address):
            raise ValueError(f"{variable} of host {host}: {exc}; give addresses, networks or names") from None
    try:
        found = socket.getaddrinfo(address, None, type=socket.SOCK_STREAM)
    except (OSError, ValueError) as exc:
        raise ValueError(
            f"{variable} of host {host}: {address[:80]!r} is no address and does not resolve here ({exc}); set {variable} to the addresses it connects from"
        ) from None
    return {ipaddress.ip_network(str(sockaddr[0]).partition("%")[0]) for *dummy, sockaddr in found}


def _listed(value: t.Any) -> t.Iterable[object]:
    return [value] if isinstance(value, str) else value or []


def host_networks(hosts: t.Iterable[str], hostvars: t.Mapping[str, t.Mapping[str, t.Any]], variable: str, also: str = "") -> list[str]:
    """Return the networks of the hosts in CIDR notation, IPv4 before IPv6; a host without the variable has ansible_host, or its name."""
    networks: set[Network] = set()
    for host in hosts:
        addresses = hostvars[host].get(variable) or hostvars[host].get("ansible_host") or host
        for address in _listed(addresses):
            networks |= _resolve(host, variable, address)
        for address in _listed(hostvars[host].get(also)):
            networks |= _resolve(host, also, address)
    return [str(network) for network in sorted(networks, key=lambda net: (net.version, int(net.network_address), net.prefixlen))]
