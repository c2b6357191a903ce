# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say for all hosts at once why a run cannot have them."""

from __future__ import annotations

DOCUMENTATION = r"""
name: _run_refusals
short_description: Say for all hosts at once why a run cannot have them
version_added: 1.0.0
author:
  - webcallserver.balancer contributors
description:
  - Makes one text of what M(webcallserver.balancer.run_lock) returned on each host. It names the hosts that cannot be reached, those where Ansible is
    not root, those that another run has, and how to go on without them.
options:
  _input:
    description: Ansible's C(hostvars).
    type: dict
    required: true
  hosts:
    description: Names of the hosts that the run needs.
    type: list
    elements: str
    required: true
  name:
    description: What the results were registered as.
    type: str
    required: true
  limit:
    description: What the run is limited to already.
    type: str
  changed:
    description: Whether the run has changed hosts before.
    type: bool
    default: false
positional: hosts, name
"""

EXAMPLES = r"""
- name: Claim the host
  webcallserver.balancer.run_lock:
  register: claimed

- name: Go on with all hosts or none
  ansible.builtin.assert:
    that: refusals == ''
    fail_msg: "{{ refusals }}"
  vars:
    refusals: "{{ hostvars | webcallserver.balancer._run_refusals(ansible_play_hosts_all, 'claimed', ansible_limit | default('')) }}"
  run_once: true

- name: Give it back
  webcallserver.balancer.run_lock:
    state: absent
"""

RETURN = r"""
_value:
  description: A sentence for each kind of trouble, empty when there is none.
  type: str
  sample: >-
    Nothing was changed on any host. wcs3 cannot be reached (No route to host): bring it back, or leave it out with --limit '!wcs3'.
"""

import typing as t

from ..plugin_utils.run import run_refusals as sentences


def run_refusals(hostvars: t.Mapping[str, t.Any], hosts: list[str], name: str, limit: str | None = None, changed: bool = False) -> str:
    """Return one text for all hosts that a run cannot have."""
    return sentences({host: hostvars[host].get(name) for host in hosts}, limit, changed)


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"_run_refusals": run_refusals}
