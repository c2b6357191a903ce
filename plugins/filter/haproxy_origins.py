# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Origins of web pages as browsers send them, checked."""

from __future__ import annotations

DOCUMENTATION = r"""
name: haproxy_origins
short_description: Check origins that HAProxy is to match
version_added: 1.0.0
author:
  - webcallserver.balancer contributors (@webcallserver)
description:
  - Returns the origins as browsers write them, in small letters and without the port that goes without saying.
options:
  _input:
    description:
      - Origins, which are a scheme, a host and maybe a port, such as V(https://www.example.com).
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Show what HAProxy gets
  ansible.builtin.debug:
    msg: "{{ ['https://WWW.example.com:443'] | webcallserver.balancer.haproxy_origins }}"
"""

RETURN = r"""
_value:
  description:
    - The origins.
  type: list
  elements: str
"""

import re

from ansible.errors import AnsibleFilterError

ORIGIN = re.compile(r"(https?)://([a-z0-9.-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?")
UNSAID = {"http": "80", "https": "443"}


def haproxy_origins(entries):
    """Return the origins as a browser writes them."""
    origins = []
    for entry in entries:
        match = ORIGIN.fullmatch(str(entry).lower())
        if match is None:
            raise AnsibleFilterError(f"haproxy_lb_origins: '{entry}' is no origin; write scheme and host, as in https://www.example.com")
        scheme, host, port = match.groups()
        origins.append(f"{scheme}://{host}" + (f":{port}" if port and port != UNSAID[scheme] else ""))
    return origins


class FilterModule:
    """The one filter of this file."""

    def filters(self):
        return {"haproxy_origins": haproxy_origins}
