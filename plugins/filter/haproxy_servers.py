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

import typing as t

from ansible.errors import AnsibleFilterError

from ..plugin_utils.servers import Server, servers_of


def haproxy_servers(
    entries: list[t.Any], hostvars: t.Mapping[str, t.Mapping[str, t.Any]] | None = None, maxconn: int = 4000, variable: str = "haproxy_lb_servers"
) -> list[Server]:
    """Return the servers of a backend, in the order given."""
    try:
        return servers_of(entries, hostvars, maxconn, variable)
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from None


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"haproxy_servers": haproxy_servers}
