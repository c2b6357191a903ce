#!/usr/bin/python
# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: service_in_force
short_description: Tell whether a service runs on the files it should run on
version_added: 1.0.0
author:
  - webcallserver.balancer contributors (@webcallserver)
description:
  - Compares the files of a systemd service as they are on disk with the record that the unit left when its process came up on them.
  - A file that was written by a run that ended before the service took it up is seen by the next run, and so is one that somebody changed by hand.
  - The record has the unit's invocation in a first line behind C(#), and a line a file as C(sha256sum) writes them.
extends_documentation_fragment:
  - webcallserver.balancer._attributes.info
options:
  unit:
    description: The unit, such as C(haproxy.service).
    type: str
    required: true
  record:
    description: Where the unit leaves the record; a directory that the unit loses when it stops is best.
    type: path
    required: true
  files:
    description: The files that the service is loaded from. Without it, those in the record, for somebody who does not know what it should run on.
    type: list
    elements: path
"""

EXAMPLES = r"""
- name: See what haproxy runs on
  webcallserver.balancer.service_in_force:
    unit: haproxy.service
    record: /run/haproxy/in-force
    files: [/etc/haproxy/haproxy.cfg]
  register: haproxy

- name: Reload haproxy
  ansible.builtin.systemd_service:
    name: haproxy
    state: reloaded
  when: not haproxy.in_force
"""

RETURN = r"""
in_force:
  description: Whether the service runs, and on these files.
  type: bool
  returned: success
reasons:
  description: Why not, a clause each.
  type: list
  elements: str
  returned: success
  sample: [/etc/haproxy/haproxy.cfg is not what it was loaded from]
files:
  description: The files in the record.
  type: list
  elements: str
  returned: success
active:
  description: Whether the service runs.
  type: bool
  returned: success
enabled:
  description: Whether it starts at boot.
  type: bool
  returned: success
masked:
  description: Whether the unit is masked.
  type: bool
  returned: success
loaded:
  description: Whether there is such a unit.
  type: bool
  returned: success
daemon_reload:
  description: Whether systemd has not read the unit's files since they changed.
  type: bool
  returned: success
pid:
  description: Its main process, 0 when it has none.
  type: int
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._io import FileError
from ..module_utils._services import service


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "unit": {"type": "str", "required": True},
            "record": {"type": "path", "required": True},
            "files": {"type": "list", "elements": "path"},
        },
        supports_check_mode=True,
    )
    try:
        found = service(module, module.params["unit"], module.params["record"], module.params["files"])
    except FileError as problem:
        module.fail_json(msg=str(problem))
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
