#!/usr/bin/python
# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: haproxy_in_force
short_description: Tell whether HAProxy runs on its configuration, and serves the certificates and ticket keys that lie on disk
version_added: 1.0.0
author:
  - webcallserver.balancer contributors (@webcallserver)
description:
  - Compares what HAProxy was loaded from, which its unit leaves in O(record), with the files as they are now.
  - Looks at the certificate that a new client is given at every bind with TLS, for each of O(names) and for no name, and compares it with the bundles of
    that bind. A bind that cannot be reached from the host itself says nothing.
  - Compares the keys of session tickets in the file with those that HAProxy uses. They appear nowhere.
extends_documentation_fragment:
  - webcallserver.balancer._attributes.info
options:
  config:
    description: The configuration.
    type: path
    default: /etc/haproxy/haproxy.cfg
  record:
    description: Where the unit leaves the record.
    type: path
    default: /run/haproxy-lb/in-force
  names:
    description: The names that clients ask for.
    type: list
    elements: str
    default: []
  timer:
    description: The timer that exchanges the keys of session tickets.
    type: str
    default: haproxy-tickets.timer
"""

EXAMPLES = r"""
- name: See what haproxy runs on
  webcallserver.balancer.haproxy_in_force:
    names: [wcs.example.com]
  register: haproxy

- name: Reload haproxy
  ansible.builtin.systemd_service:
    name: haproxy
    state: reloaded
  when: not haproxy.in_force
"""

RETURN = r"""
in_force:
  description: Whether HAProxy runs, on its files, and serves what lies on disk.
  type: bool
  returned: success
reasons:
  description: Why not, a clause each.
  type: list
  elements: str
  returned: success
  sample: [/etc/haproxy/haproxy.cfg is not what it was loaded from]
active:
  description: Whether HAProxy runs.
  type: bool
  returned: success
enabled:
  description: Whether it starts at boot.
  type: bool
  returned: success
masked:
  description: Whether its unit is masked.
  type: bool
  returned: success
loaded:
  description: Whether there is such a unit.
  type: bool
  returned: success
daemon_reload:
  description: Whether systemd has not read the files of a unit since they changed.
  type: bool
  returned: success
tickets:
  description: Whether HAProxy uses the keys of session tickets that are in the file; true as well where it uses none.
  type: bool
  returned: success
timer:
  description: Whether the timer is there and runs, now and after a boot.
  type: bool
  returned: success
timer_loaded:
  description: Whether there is such a timer.
  type: bool
  returned: success
good:
  description: Whether the configuration is the one that is kept as the last that a worker came up on; true as well where none is kept.
  type: bool
  returned: success
nofile:
  description: How many files HAProxy may open as it runs, 0 when it does not.
  type: int
  returned: success
nofile_most:
  description: How many files any service of the host may open, 0 when that is not said.
  type: int
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._haproxy_look import in_force
from ..module_utils._io import FileError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "config": {"type": "path", "default": "/etc/haproxy/haproxy.cfg"},
            "record": {"type": "path", "default": "/run/haproxy-lb/in-force"},
            "names": {"type": "list", "elements": "str", "default": []},
            "timer": {"type": "str", "default": "haproxy-tickets.timer"},
        },
        supports_check_mode=True,
    )
    asked = module.params
    try:
        found = in_force(module, asked["config"], asked["record"], asked["names"], asked["timer"])
    except FileError as problem:
        module.fail_json(msg=str(problem))
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
