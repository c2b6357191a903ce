#!/usr/bin/python
# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: role_options
short_description: Read the options of a role of this collection
version_added: 1.0.0
author:
  - webcallserver.balancer contributors (@webcallserver)
description:
  - Takes the variables of a host that are options of a role, and casts each to the type that the role's argument specs give it, so that
    V(false) on the command line, which is a text there, means the same as in the inventory.
  - A variable that is named almost like an option is refused, since it would otherwise pass in silence.
  - It runs on the controller and asks the host nothing. What it returns is shown nowhere, since there may be secrets in it.
extends_documentation_fragment:
  - webcallserver.balancer._attributes.info
attributes:
  action:
    description: Runs on the controller.
    support: full
options:
  role:
    description: The role, such as V(haproxy_lb).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Read the options
  webcallserver.balancer.role_options:
    role: haproxy_lb
  register: haproxy_lb_read
"""

RETURN = r"""
options:
  description: The options without the role's prefix. One that nobody gave has its default, or is left out where there is none.
  type: dict
  returned: success
  sample: {"port": 443, "redirect": true}
"""
