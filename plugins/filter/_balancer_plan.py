# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that the role haproxy_lb is to do on a host, computed once; for that role alone."""

from __future__ import annotations

DOCUMENTATION = r"""
name: _balancer_plan
short_description: Plan what the role haproxy_lb is to do on a host
version_added: 1.0.0
author:
  - webcallserver.balancer contributors (@webcallserver)
description:
  - For the role haproxy_lb of this collection alone; there is no promise of stability to anybody else.
  - Takes the options of the role, the inventory and what was seen on the host, and returns all that stands in the way and all that the templates need.
positional: hostvars, groups, host
options:
  _input:
    description: The options of the role, as M(webcallserver.balancer.role_options) returns them.
    type: dict
    required: true
  hostvars:
    description: The variables of all hosts, as in the magic variable C(hostvars).
    type: dict
    required: true
  groups:
    description: The hosts of all groups, as in the magic variable C(groups).
    type: dict
    required: true
  host:
    description: The balancer's name in the inventory.
    type: str
    default: ""
  look:
    description: What the role's look at the host printed.
    type: str
    default: ""
  certificates:
    description: The certificates with their names and domains, that of the domain first.
    type: list
    elements: dict
    default: []
  missing:
    description: Paths on the controller that lead nowhere, each with the bundle's name and the key.
    type: list
    elements: list
    default: []
  secret:
    description: What the values of cookies are made of; empty where they are the names of the servers.
    type: str
    default: ""
  haproxy:
    description: What M(webcallserver.balancer.host_look) saw of the running HAProxy.
    type: dict
  configuration:
    description: What M(webcallserver.balancer.host_look) saw of the file that is there.
    type: dict
"""

EXAMPLES = r"""
- name: Plan the balancer
  ansible.builtin.set_fact:
    plan: "{{ read.options | webcallserver.balancer._balancer_plan(hostvars, groups, inventory_hostname) }}"
"""

RETURN = r"""
_value:
  description: The plan. With C(problems), one sentence each, nothing else in it counts.
  type: dict
"""

import typing as t

from ..plugin_utils.checks_balancer import balancer_plan


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"_balancer_plan": balancer_plan}
