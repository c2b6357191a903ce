# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventory hosts, or servers spelled out, as the server lines of an HAProxy backend."""

from __future__ import annotations

DOCUMENTATION = r"""
name: haproxy_servers
short_description: Turn inventory hosts into HAProxy servers
version_added: 1.0.0
author:
  - webcallserver.balancer contributors (@webcallserver)
description:
  - Takes a list of inventory host names, of servers spelled out as mappings, or of both, and returns what a server line of HAProxy needs.
  - Of an inventory host only inventory variables are used, never facts, so that a run limited to the balancer still knows every node.
  - Names and addresses have to be unique; whatever is wrong ends in one error that names the variable.
positional: hostvars
options:
  _input:
    description:
      - Inventory host names, or mappings with the keys C(name), C(address), C(port), C(weight), C(maxconn), C(agent_port) and C(check_port).
    type: list
    elements: raw
    required: true
  hostvars:
    description:
      - The variables of all hosts, as in the magic variable C(hostvars).
      - Read are C(wcs_node_address), C(ansible_host), C(wcs_node_ws_port), C(wcs_node_http_port), C(wcs_node_agent_port),
        C(wcs_node_agent_graded), C(haproxy_lb_weight) and C(haproxy_lb_maxconn).
    type: dict
  maxconn:
    description:
      - WebSockets one server may hold when nothing is said for that server.
    type: int
    default: 4000
  variable:
    description:
      - The variable that servers spelled out come from, for the errors.
    type: str
    default: haproxy_lb_servers
"""

EXAMPLES = r"""
- name: Show the servers of a group
  ansible.builtin.debug:
    msg: "{{ groups['wcs_nodes'] | webcallserver.balancer.haproxy_servers(hostvars) }}"

- name: Show servers that are in no inventory
  ansible.builtin.debug:
    msg: "{{ [{'name': 'wcs1', 'address': '192.0.2.11'}] | webcallserver.balancer.haproxy_servers }}"
"""

RETURN = r"""
_value:
  description:
    - One mapping a server, in the order of the input, with C(name), C(address) (an IPv6 address in brackets), C(port), C(weight), C(maxconn),
      C(agent_port) (V(0) when there is no agent), C(check_port) and C(graded), whether its agent is known to grade its weight.
    - A server without a weight of its own gets one in proportion to its C(maxconn).
  type: list
  elements: dict
"""

import ipaddress
import re

from ansible.errors import AnsibleFilterError
from ansible.module_utils.parsing.convert_bool import boolean

NAME = re.compile(r"[A-Za-z0-9_.:-]+")
HOST_NAME = re.compile(r"(?=.{1,253}\.?$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*\.?")

# key of a server: (default, least, most)
NUMBERS = {
    "port": (8080, 1, 65535),
    "check_port": (8081, 1, 65535),
    "agent_port": (9707, 0, 65535),
    "maxconn": (None, 1, 1_000_000),
    "weight": (None, 0, 256),
}

# key of a server: the inventory variable that says it
HOST_VARIABLES = {
    "port": "wcs_node_ws_port",
    "check_port": "wcs_node_http_port",
    "agent_port": "wcs_node_agent_port",
    "maxconn": "haproxy_lb_maxconn",
    "weight": "haproxy_lb_weight",
}


def _from_inventory(name, hostvars):
    """What the inventory says of a host, and how the sources are called in an error."""
    variables = hostvars[name]
    address = next((variables[key] for key in ("wcs_node_address", "ansible_host") if variables.get(key)), name)
    said = {"name": name, "address": address}
    said.update({key: variables[variable] for key, variable in HOST_VARIABLES.items() if variables.get(variable) is not None})
    # Agents grade unless they are told not to
    said["graded"] = boolean(variables.get("wcs_node_agent_graded", True))
    called = {key: f"{variable} of host '{name}'" for key, variable in HOST_VARIABLES.items()}
    called["address"] = f"wcs_node_address of host '{name}'"
    called["name"] = f"the inventory name '{name}'"
    return said, called


def _spelled_out(entry, position, variable):
    """The same for a server that is in no inventory."""
    for key in ("name", "address"):
        if not entry.get(key):
            raise AnsibleFilterError(f"{variable}: server {position} has no {key}; give each server a name and an address")
    unknown = sorted(set(entry) - {"name", "address", *NUMBERS})
    if unknown:
        raise AnsibleFilterError(f"{variable}: server '{entry['name']}' has the unknown key '{unknown[0]}'; known are name, address, {', '.join(NUMBERS)}")
    said = {key: value for key, value in entry.items() if value is not None}
    return said, {key: f"{key} of server '{entry['name']}' in {variable}" for key in ("name", "address", *NUMBERS)}


def number(key, value, called):
    """Return the value of one of the keys of a server as a number."""
    _default, least, most = NUMBERS[key]
    digits = str(value)
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,9}", digits) or not least <= int(digits) <= most:
        raise AnsibleFilterError(f"{called}: '{value}' is no whole number from {least} to {most}")
    return int(digits)


def _address(value, called):
    text = str(value)
    try:
        address = ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        address = None
    if address is not None:
        return f"[{address}]" if address.version == 6 else str(address)
    # A name whose last label is a number is a mistyped IPv4 address, not a name
    if HOST_NAME.fullmatch(text) and not text.rstrip(".").rpartition(".")[2].isdigit():
        return text
    raise AnsibleFilterError(f"{called}: '{value}' is neither an IPv4 address, an IPv6 address nor a host name")


def _server(said, called, maxconn):
    name = str(said["name"])
    if not NAME.fullmatch(name):
        raise AnsibleFilterError(f"{called['name']}: HAProxy takes only letters, digits and _ . : - in the name of a server")
    server = {"name": name, "address": _address(said["address"], called["address"])}
    defaults = {key: default for key, (default, _least, _most) in NUMBERS.items()} | {"maxconn": maxconn}
    for key, default in defaults.items():
        server[key] = number(key, said[key], called[key]) if key in said else default
    server["graded"] = said.get("graded", False) and server["agent_port"] != 0
    return server


def _with_weights(servers):
    """Fill in the weights nobody chose: in proportion to maxconn, the smallest 100 where HAProxy's limit of 256 leaves room.

    A weight below 100 would lose the agent's finest grades: HAProxy rounds a percentage of it down, in the end to 0, which drains.
    """
    open_ones = [server for server in servers if server["weight"] is None]
    if open_ones:
        sizes = [server["maxconn"] for server in open_ones]
        scale = min(100 / min(sizes), 256 / max(sizes))
        for server in open_ones:
            server["weight"] = max(1, round(server["maxconn"] * scale))
    return servers


def haproxy_servers(entries, hostvars=None, maxconn=4000, variable="haproxy_lb_servers"):
    """Return the servers of a backend, in the order given."""
    servers = []
    for position, entry in enumerate(entries, start=1):
        said, called = _spelled_out(entry, position, variable) if isinstance(entry, dict) else _from_inventory(str(entry), hostvars or {})
        servers.append(_server(said, called, maxconn))
    for what, keys in (("the name", ("name",)), ("the address and port", ("address", "port"))):
        seen = {}
        for server in servers:
            value = tuple(server[key] for key in keys)
            if value in seen:
                raise AnsibleFilterError(
                    f"servers '{seen[value]}' and '{server['name']}' have {what} {':'.join(map(str, value))} in common; "
                    "make wcs_node_address (or the entries of haproxy_lb_servers) differ"
                )
            seen[value] = server["name"]
    return _with_weights(servers)


class FilterModule:
    """The one filter of this file."""

    def filters(self):
        return {"haproxy_servers": haproxy_servers}
