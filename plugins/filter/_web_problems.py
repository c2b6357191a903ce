# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in the way of serving the WebSDK on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
name: _web_problems
short_description: Say what stands in the way of serving the WebSDK on a host
version_added: 1.0.0
author:
  - webcallserver.balancer contributors (@webcallserver)
description:
  - Compares the options of the role P(webcallserver.balancer.websdk_nginx#role) with each other and with what is known of the host,
    and returns a sentence for each problem, with its remedy.
options:
  _input:
    description: The options of the role, by their names without the role's.
    type: dict
    required: true
  family:
    description: The host's family of distributions.
    type: str
    required: true
  source:
    description: Where the archive is.
    type: str
    choices: [local, remote, url, release]
    required: true
  found:
    description: The SHA-256 of an archive on the controller, an empty string when there is none.
    type: str
    default: ""
  look:
    description: What the role's look at the host printed.
    type: list
    elements: str
    default: []
  balancer:
    description: Where a balancer on the same host expects the pages.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Show what is wrong
  ansible.builtin.debug:
    msg: "{{ web.options | webcallserver.balancer._web_problems(family='Debian', source='release') }}"
"""

RETURN = r"""
_value:
  description: The problems.
  type: list
  elements: str
"""

import typing as t

from ..plugin_utils.checks_web import Host, problems


def web_problems(options: dict[str, t.Any], family: str, source: str, found: str = "", look: t.Sequence[str] = (), balancer: str = "") -> list[str]:
    """Return the problems."""
    return problems(options, Host(family, source, found, tuple(look), balancer))


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"_web_problems": web_problems}
