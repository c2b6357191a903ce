#!/usr/bin/python
# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: in_turn
short_description: Run a module on one host after the other, and on none after a failure
version_added: 1.0.0
author:
  - webcallserver.balancer contributors (@webcallserver)
description:
  - Runs another module. When it has failed on one host, or the host could not be reached, it fails on every other host of the run without being run there.
  - With C(throttle=1) the hosts take turns. A C(loop) belongs to its host's turn as a whole, and C(delegate_to) may send each of its steps to another
    host, whatever the strategy, C(serial) and C(--limit) are.
extends_documentation_fragment:
  - webcallserver.balancer._attributes
attributes:
  action:
    description: Runs on the controller.
    support: full
  check_mode:
    support: full
    description: As the module that it runs.
  diff_mode:
    support: full
    description: As the module that it runs.
options:
  module:
    description: The module, with its collection.
    type: str
    required: true
  options:
    description: Options of the module.
    type: dict
    default: {}
  optional:
    description: Whether to go on, with a warning, when the host cannot be reached.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Restart WCS on one node after the other, the next when the last lets sessions in
  webcallserver.balancer.in_turn:
    module: "{{ item.module }}"
    options: "{{ item.options }}"
  loop:
    - module: ansible.builtin.systemd_service
      options: {name: webcallserver, state: restarted}
    - module: webcallserver.balancer.wcs_node_ready
      options: {ports: [8080, 8081]}
  loop_control:
    label: "{{ item.module }}"
    break_when: restarted is failed
  throttle: 1
  register: restarted
"""

RETURN = r""" # """
