# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the inventory means for a node."""

from __future__ import annotations

DOCUMENTATION = r"""
name: _node_plan
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
    msg: "{{ (options | webcallserver.balancer._node_plan(inventory_hostname, groups, hostvars)).balancers }}"
"""

RETURN = r"""
_value:
  description:
    - C(balancers) and C(peers) (their networks), C(needed) (properties), C(address) (where the node is, if that is an address),
      C(domains) (of the balancers), C(maxconn) (sessions that all balancers together send it), C(cdn) (whether other nodes are in a CDN)
      and C(problems), a sentence each.
  type: dict
"""

import typing as t

from ..plugin_utils.node import node_plan


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"_node_plan": node_plan}
