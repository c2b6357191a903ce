# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn inventory hosts into the networks they connect from."""

from __future__ import annotations

DOCUMENTATION = r"""
name: host_networks
short_description: Turn inventory hosts into the networks they connect from
version_added: 1.0.0
author:
  - webcallserver.balancer contributors
description:
  - Reads a variable of each host, C(ansible_host) or the inventory name where a host does not have it, and returns
    what is named there as networks that an allow-list or a firewall takes.
  - Names are resolved on the controller. No facts are needed, so that a run with C(--limit) knows the hosts it leaves out.
options:
  _input:
    description: Names of hosts in the inventory.
    type: list
    elements: str
    required: true
  hostvars:
    description: Ansible's C(hostvars).
    type: dict
    required: true
  variable:
    description: The host variable that holds the addresses, a string or a list of strings.
    type: str
    required: true
  also:
    description: Another host variable of that kind, which adds what it names where a host has it.
    type: str
positional: hostvars, variable
"""

EXAMPLES = r"""
- name: Show the networks from which the balancers poll
  ansible.builtin.debug:
    msg: "{{ groups['wcs_balancers'] | webcallserver.balancer.host_networks(hostvars, 'haproxy_lb_addresses') }}"
"""

RETURN = r"""
_value:
  description: Networks in CIDR notation, IPv4 before IPv6, each once.
  type: list
  elements: str
  sample: ["192.0.2.10/32", "2001:db8::10/128"]
"""

import ipaddress
import re
import socket

from ansible.errors import AnsibleFilterError

# A name as DNS and /etc/hosts have it. Python's own parser takes a zone behind an address, and anything at all in it.
HOST_NAME = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?")
NETWORK = re.compile(r"[0-9A-Fa-f:.]{2,45}(/[0-9]{1,3})?")


def network(text):
    """Return an address or a network as an ipaddress object; ValueError says what is wrong with it."""
    text = str(text)
    if "%" in text:
        raise ValueError(f"{text[:80]!r} has a zone, which means something on one host alone")
    if not NETWORK.fullmatch(text):
        raise ValueError(f"{text[:80]!r} is neither an address nor a network")
    return ipaddress.ip_network(text)


def resolve(host, variable, address):
    """Return the networks behind an address, a network or a name, as ipaddress objects."""
    address = str(address)
    try:
        return {network(address)}
    except ValueError as exc:
        if "/" in address or "%" in address or not HOST_NAME.fullmatch(address):
            raise AnsibleFilterError(f"{variable} of host {host}: {exc}; give addresses, networks or names") from None
    try:
        found = socket.getaddrinfo(address, None, type=socket.SOCK_STREAM)
    except (OSError, ValueError) as exc:
        raise AnsibleFilterError(
            f"{variable} of host {host}: {address[:80]!r} is no address and does not resolve here ({exc}); set {variable} to the addresses it connects from"
        ) from None
    return {ipaddress.ip_network(sockaddr[0].partition("%")[0]) for *dummy, sockaddr in found}


def _listed(value):
    return [value] if isinstance(value, str) else value or []


def host_networks(hosts, hostvars, variable, also=None):
    """Return the networks of the hosts in CIDR notation, IPv4 before IPv6."""
    networks = set()
    for host in hosts:
        addresses = hostvars[host].get(variable) or hostvars[host].get("ansible_host") or host
        for address in _listed(addresses):
            networks |= resolve(host, variable, address)
        for address in _listed(hostvars[host].get(also)):
            networks |= resolve(host, also, address)
    return [str(network) for network in sorted(networks, key=lambda net: (net.version, net))]


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        return {"host_networks": host_networks}
