# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a role has to do on a host; for the roles of this collection alone."""

from __future__ import annotations

DOCUMENTATION = r"""
name: _due
short_description: Tell what is to be done on a host
version_added: 1.0.0
author:
  - webcallserver.balancer contributors (@webcallserver)
description:
  - For the roles of this collection alone; there is no promise of stability to anybody else.
  - Compares what was seen on a host with what should be there.
positional: kind
options:
  _input:
    description: What M(webcallserver.balancer.role_look) returned.
    type: dict
    required: true
  kind:
    description: What it means for the sessions there are.
    type: str
    choices: [runtime, reload, restart]
    required: true
  files:
    description: Files and directories, as for M(webcallserver.balancer.host_files).
    type: list
    elements: dict
    default: []
  packages:
    description: Packages that should be installed.
    type: list
    elements: str
    default: []
  users:
    description: C(home) and C(shell) of users, by their names.
    type: dict
    default: {}
  services:
    description: Answers of the look that tell of a service, by what it is called.
    type: dict
    default: {}
  also:
    description: Clauses of other kinds, of which those count that are not empty.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Show what is to be done
  ansible.builtin.debug:
    msg: "{{ seen | webcallserver.balancer._due('reload', packages=['nginx'], services={'nginx': seen.services.nginx}) }}"
"""

RETURN = r"""
_value:
  description: What is to be done, a clause each.
  type: list
  elements: str
"""

import typing as t

from ..plugin_utils.due import due


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"_due": due}
