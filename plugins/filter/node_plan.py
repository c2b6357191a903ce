# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the inventory means for a node."""

from __future__ import annotations

DOCUMENTATION = r"""
name: node_plan
short_description: Tell what the inventory means for a node
version_added: 1.0.0
author:
  - webcallserver.balancer contributors (@webcallserver)
description:
  - Finds the balancers and the other nodes, and the properties that the node needs because of them.
positional: host, groups, hostvars
options:
  _input:
    description: Options of the role C(wcs_node), without the prefix.
    type: dict
    required: true
  host:
    description: The node.
    type: str
    required: true
  groups:
    description: Ansible's C(groups).
    type: dict
    required: true
  hostvars:
    description: Ansible's C(hostvars).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the networks of the balancers
  ansible.builtin.debug:
    msg: "{{ (options | webcallserver.balancer.node_plan(inventory_hostname, groups, hostvars)).balancers }}"
"""

RETURN = r"""
_value:
  description:
    - C(balancers) and C(peers) (their networks), C(needed) (properties), C(address) (where the node is, if that is an address),
      C(domains) (of the balancers), C(maxconn) (sessions that all balancers together send it), C(cdn) (whether other nodes are in a CDN)
      and C(problems), a sentence each.
  type: dict
"""

import ipaddress

from ansible.errors import AnsibleFilterError

from .cdn_properties import cdn_properties
from .host_networks import host_networks

MAXCONN = 4000


def _number(value, default):
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else default


def _is_address(text):
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


class _Problems(list):
    """Sentences of what could not be found out."""

    def of(self, function, *arguments, otherwise, **options):
        try:
            return function(*arguments, **options)
        except AnsibleFilterError as problem:
            self.append(f"{str(problem.message).rstrip('.')}.")
            return otherwise


def node_plan(options, host, groups, hostvars):
    """Return what the inventory means for a node."""
    problems = _Problems()
    nodes = list(groups.get(options["group"], []))
    balancers = list(groups.get(options["balancers_group"], []))
    peers = [name for name in nodes if name != host]
    cdn = (nodes, hostvars, options["cdn_role"], options["cdn_ip"], options["cdn_point_of_entry"], options["cdn_groups"])
    needed = {"ws.map_custom_headers": True, "ws.ip_forward_header": "X-Client-IP"}
    if options["bandwidth_check"]:
        needed["global_bandwidth_check_enabled"] = True
    needed |= problems.of(cdn_properties, host, *cdn, otherwise={})
    address = str(next((hostvars[host][key] for key in ("wcs_node_address", "ansible_host") if hostvars[host].get(key)), host))
    own = hostvars[host].get("haproxy_lb_maxconn")
    return {
        "balancers": options["balancer_addresses"] or problems.of(host_networks, balancers, hostvars, "haproxy_lb_addresses", otherwise=["0.0.0.0/32"]),
        "peers": problems.of(host_networks, peers, hostvars, "wcs_node_address", also="wcs_node_cdn_ip", otherwise=[]),
        "needed": needed,
        "address": address if _is_address(address) else "",
        "domains": list(dict.fromkeys(str(hostvars[name]["haproxy_lb_domain"]) for name in balancers if hostvars[name].get("haproxy_lb_domain"))),
        "maxconn": sum(_number(own or hostvars[name].get("haproxy_lb_maxconn"), MAXCONN) for name in balancers),
        "cdn": any(hostvars[name].get("wcs_node_cdn_role", "none") in ("origin", "edge") for name in peers),
        "problems": list(problems),
    }


class FilterModule:
    """The one filter of this file."""

    def filters(self):
        return {"node_plan": node_plan}
