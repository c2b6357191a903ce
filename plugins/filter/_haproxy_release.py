# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an installed HAProxy can do, from what it says of itself."""

from __future__ import annotations

DOCUMENTATION = r"""
name: _haproxy_release
short_description: Tell what an HAProxy release can do
version_added: 1.0.0
author:
  - webcallserver.balancer contributors (@webcallserver)
description:
  - Reads the output of C(haproxy -v) and returns the release and the abilities on which supported releases differ.
options:
  _input:
    description:
      - Output of C(haproxy -v). An empty text stands for a binary that is not there yet, and is taken for release 2.6.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Ask the binary
  ansible.builtin.command:
    cmd: haproxy -v
  register: said
  changed_when: false

- name: Show what it can do
  ansible.builtin.debug:
    msg: "{{ said.stdout | webcallserver.balancer._haproxy_release }}"
"""

RETURN = r"""
_value:
  description:
    - C(version) as text, such as V(2.6), and one boolean for each ability on which supported releases differ.
  type: dict
"""

import typing as t

from ansible.errors import AnsibleFilterError

from ..plugin_utils import haproxy_release as releases


def haproxy_release(text: str) -> dict[str, t.Any]:
    """Return release and abilities."""
    try:
        return releases.haproxy_release(text)
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from None


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"_haproxy_release": haproxy_release}
