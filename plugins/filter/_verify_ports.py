# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Name the ports that strangers find closed."""

from __future__ import annotations

DOCUMENTATION = r"""
name: _verify_ports
short_description: Name the ports that strangers find closed
version_added: 1.0.0
author:
  - webcallserver.balancer contributors
description:
  - Reads from the variables of the hosts which ports of nodes and balancers are for each other alone, in the form that
    M(webcallserver.balancer.wcs_probe) tries them from where Ansible runs.
  - What the variables of a node open to somebody else is left out, and so are nodes whose C(wcs_node_firewall) is V(none).
options:
  _input:
    description: Ansible's C(hostvars).
    type: dict
    required: true
  balancers:
    description: Names of the balancers.
    type: list
    elements: str
    required: true
  nodes:
    description: Names of the nodes.
    type: list
    elements: str
    required: true
positional: balancers, nodes
"""

EXAMPLES = r"""
- name: Show what strangers find closed
  ansible.builtin.debug:
    msg: "{{ hostvars | webcallserver.balancer._verify_ports(['lb1'], ['wcs1']) }}"
"""

RETURN = r"""
_value:
  description: The ports.
  type: list
  elements: dict
  sample:
    - {"host": "wcs1", "name": "ws", "address": "10.0.0.11", "port": 8080, "known": ["10.0.0.1"]}
"""

import typing as t

from ..plugin_utils.report import closed_ports


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"_verify_ports": closed_ports}
