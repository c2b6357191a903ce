# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node's part in the CDN, as properties of WCS."""

from __future__ import annotations

DOCUMENTATION = r"""
name: cdn_properties
short_description: Turn a node's part in the CDN into properties of WCS
version_added: 1.0.0
author:
  - webcallserver.balancer contributors (@webcallserver)
description:
  - Returns the properties with which a node takes its part in the CDN, and what it needs not be told from the inventory.
  - A node without a part has none.
positional: hosts, hostvars
options:
  _input:
    description: Name of the node in the inventory.
    type: str
    required: true
  hosts:
    description: Names of all nodes. Of each C(wcs_node_cdn_role), C(wcs_node_cdn_ip), C(wcs_node_address) and C(ansible_host) are read.
    type: list
    elements: str
    required: true
  hostvars:
    description: Ansible's C(hostvars).
    type: dict
    required: true
  role:
    description: What the node does. V(origin) takes what is published, V(edge) plays what origins have, V(none) takes no part.
    type: str
    choices: [none, origin, edge]
    default: none
  address:
    description: Address or name of the node in the CDN; from the inventory when empty.
    type: str
    default: ""
  point_of_entry:
    description: Address or name of the node that brings this one into the CDN; the first other origin when empty.
    type: str
    default: ""
  groups:
    description: Groups of the CDN that the node is in.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Show the properties of an origin
  ansible.builtin.debug:
    msg: "{{ 'wcs1' | webcallserver.balancer.cdn_properties(groups['wcs_nodes'], hostvars, role='origin') }}"
"""

RETURN = r"""
_value:
  description: The properties by name; null stands for one that has to go.
  type: dict
  sample:
    cdn_enabled: true
    cdn_role: edge
    cdn_ip: 192.0.2.12
    cdn_nodes_resolve_ip: false
    cdn_point_of_entry: 192.0.2.11
    cdn_groups: null
"""

import ipaddress
import re

from ansible.errors import AnsibleFilterError


def cdn_address(host, hostvars):
    """Where the inventory says that a node is in the CDN."""
    return str(next((hostvars[host][key] for key in ("wcs_node_cdn_ip", "wcs_node_address", "ansible_host") if hostvars[host].get(key)), host))


# An address or a name
PLACE = re.compile(r"[A-Za-z0-9_:]([A-Za-z0-9_.:-]{0,251}[A-Za-z0-9_:])?")
GROUP = re.compile(r"[^,\s\x00-\x1f\x7f]{1,200}")


def _is_name(text):
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return True
    return False


def cdn_properties(host, hosts, hostvars, role="none", address="", point_of_entry="", groups=()):
    """Return the properties; null removes one."""
    if role == "none":
        return {}
    address = address or cdn_address(host, hostvars)
    for variable, value in (("wcs_node_cdn_ip", address), ("wcs_node_cdn_point_of_entry", point_of_entry)):
        if value and not PLACE.fullmatch(str(value)):
            raise AnsibleFilterError(f"{variable}: {str(value)[:80]!r} is neither an address nor a name; give one of them")
    others = {name: cdn_address(name, hostvars) for name in hosts if name != host and hostvars[name].get("wcs_node_cdn_role", "none") != "none"}
    origins = [name for name in others if hostvars[name]["wcs_node_cdn_role"] == "origin"]
    entry = point_of_entry or next((others[name] for name in origins), "")
    for name, other in others.items():
        if other == address:
            raise AnsibleFilterError(f"wcs_node_cdn_ip: hosts '{host}' and '{name}' are both {address} in the CDN; give each an address of its own")
    if entry == address:
        raise AnsibleFilterError(f"wcs_node_cdn_point_of_entry: {entry} is host '{host}' itself; name another node, or nothing to take the first origin")
    if role == "edge" and not entry:
        raise AnsibleFilterError(
            f"wcs_node_cdn_role: '{host}' is an edge, but no host of its group is an origin; "
            "set wcs_node_cdn_role to origin in the inventory for one, or name one in wcs_node_cdn_point_of_entry"
        )
    for group in groups:
        if not GROUP.fullmatch(str(group)):
            raise AnsibleFilterError(f"wcs_node_cdn_groups: {str(group)[:80]!r} is no name of a group; leave out blanks and commas")
    return {
        "cdn_enabled": True,
        "cdn_role": role,
        "cdn_ip": address,
        "cdn_nodes_resolve_ip": _is_name(address) or _is_name(entry or address),
        "cdn_point_of_entry": entry or None,
        "cdn_groups": ",".join(groups) or None,
    }


class FilterModule:
    """The one filter of this file."""

    def filters(self):
        return {"cdn_properties": cdn_properties}
