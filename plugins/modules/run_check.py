#!/usr/bin/python
# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: run_check
short_description: Refuse a run of the playbooks that would do nothing
version_added: 1.0.0
author:
  - webcallserver.balancer contributors (@webcallserver)
description:
  - Ansible passes over groups that are not there, limits that leave nobody and tags that nothing has, and ends well. This module fails instead,
    with a sentence for each, and looks at the playbooks' own variables, those whose names begin with C(wcs_).
  - It runs on the controller and asks no host.
extends_documentation_fragment:
  - webcallserver.balancer._attributes.info
attributes:
  action:
    description: Runs on the controller.
    support: full
options:
  parts:
    description: Which hosts the playbook is for, V(nodes) and V(balancers).
    type: list
    elements: str
    required: true
  plays:
    description: What a choice of tags is made from, V(nodes), V(web) and V(balancer); nothing where tags choose nothing.
    type: list
    elements: str
    default: []
  aiohttp:
    description: Whether aiohttp has to be there where Ansible runs.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: See that there are nodes
  webcallserver.balancer.run_check:
    parts: [nodes]
"""

RETURN = r""" # """
