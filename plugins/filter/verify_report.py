# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge what a visit to the balancers and their nodes has shown."""

from __future__ import annotations

DOCUMENTATION = r"""
name: verify_report
short_description: Judge what a visit to the balancers and their nodes has shown
version_added: 1.0.0
author:
  - webcallserver.balancer contributors
description:
  - Reads the results that C(playbooks/verify.yml) registered on each host, and returns them as one row for each thing that was looked at.
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
  forged:
    description: The address that the visit claimed to come from, which nobody may believe.
    type: str
    required: true
positional: balancers, nodes, forged
"""

EXAMPLES = r"""
- name: Show what is wrong
  ansible.builtin.debug:
    msg: "{{ hostvars | webcallserver.balancer.verify_report(['lb1'], ['wcs1'], '192.0.2.66') | rejectattr('ok') }}"
"""

RETURN = r"""
_value:
  description: The rows.
  type: list
  elements: dict
  contains:
    where:
      description: The host, or a path through several.
      type: str
    what:
      description: What was looked at.
      type: str
    ok:
      description: Whether it is as it should be.
      type: bool
    detail:
      description: What was seen.
      type: str
    line:
      description: All of it as a line of a table.
      type: str
  sample:
    - {"where": "lb1 -> wcs1", "what": "reply of the agent", "ok": true, "detail": "up", "line": "ok    lb1 -> wcs1  reply of the agent  up"}
"""

import typing as t

from ..plugin_utils.report import report


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"verify_report": report}
