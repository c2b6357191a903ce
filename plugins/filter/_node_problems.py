# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps a host from being a node."""

from __future__ import annotations

DOCUMENTATION = r"""
name: _node_problems
short_description: Tell what keeps a host from being a node
version_added: 1.0.0
author:
  - webcallserver.balancer contributors (@webcallserver)
description:
  - Judges what was seen on a host, and what its variables and the properties of WCS say of each other.
positional: node
options:
  _input:
    description: The answer to O(webcallserver.balancer.host_look#module:wcs) of M(webcallserver.balancer.host_look).
    type: dict
    required: true
  node:
    description:
      - What the role knows of the node, with C(options) (of the role, without the prefix), C(plan) (as P(webcallserver.balancer._node_plan#filter) returns it),
        C(file) (what M(webcallserver.balancer.flashphoner_properties) foretold), C(table) (of the ports), C(agent) (its settings),
        C(python) (its version, such as V(3.9.2)), C(agent_python) (that of the agent's, empty for none),
        C(family) and C(release) (the major one, such as V(9)).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what is wrong with a node
  ansible.builtin.debug:
    msg: "{{ look.host | webcallserver.balancer._node_problems(node) }}"
"""

RETURN = r"""
_value:
  description: A sentence or two for each problem, with the variable and the remedy; none where all is well.
  type: list
  elements: str
"""

import typing as t

from ..plugin_utils.checks_node import node_problems


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"_node_problems": node_problems}
