# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be done to the firewall of a host; for the role _firewall alone."""

from __future__ import annotations

DOCUMENTATION = r"""
name: _firewall_plan
short_description: Plan the firewall of a host
version_added: 1.0.0
author:
  - webcallserver.balancer contributors (@webcallserver)
description:
  - For the roles of this collection alone; there is no promise of stability to anybody else.
  - Takes what the role's look at the host printed and what its ports are to be, and returns the firewall that is meant, its rules,
    whether they are in force, and what stands in the way.
positional: wanted
options:
  _input:
    description: The lines of the look.
    type: list
    elements: str
    required: true
  wanted:
    description:
      - C(role), C(firewall), C(without), and C(table), C(networks), C(changes) and C(properties) as for P(webcallserver.balancer.port_rules#filter).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the firewall that is meant
  ansible.builtin.debug:
    msg: "{{ (look.stdout_lines | webcallserver.balancer._firewall_plan(wanted)).firewall }}"
"""

RETURN = r"""
_value:
  description: The plan. With a C(problem), a sentence, nothing else in it counts.
  type: dict
"""

import typing as t

from ..plugin_utils.firewall import firewall_plan


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"_firewall_plan": firewall_plan}
