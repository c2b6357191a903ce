#!/usr/bin/python
# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: role_look
short_description: Read the options of a role, and look at the host for it
version_added: 1.0.0
author:
  - webcallserver.balancer contributors (@webcallserver)
description:
  - For the roles of this collection alone; there is no promise of stability to anybody else.
  - Reads the options as M(webcallserver.balancer.role_options) does, and asks M(webcallserver.balancer.host_look) what the role's variable
    C(__ROLE_questions) says.
  - Where the role has a variable C(__ROLE_plan_now), that is worked out once, from what was seen, and returned as RV(plan).
extends_documentation_fragment:
  - webcallserver.balancer._attributes.info
attributes:
  action:
    description: Does all of it on the controller but the look.
    support: full
options:
  role:
    description: The role.
    type: str
    required: true
  reuse:
    description: Whether what was seen for the same options, registered as C(__ROLE_seen) and not used since, will do.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Look at the host
  webcallserver.balancer.role_look:
    role: wcs_node
  register: __wcs_node_seen
"""

RETURN = r"""
options:
  description: The options by their names without the role's, each of its type.
  type: dict
  returned: success
label:
  description: What these options are known by.
  type: str
  returned: success
plan:
  description: What the role is to do, and what stands in the way.
  type: dict
  returned: when the role plans
reused:
  description: Whether the host was not asked.
  type: bool
  returned: success
"""
