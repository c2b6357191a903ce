#!/usr/bin/python
# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: haproxy_bundles
short_description: Keep account of bundles with private keys, so that none outlives its use
version_added: 1.0.0
author:
  - webcallserver.balancer contributors (@webcallserver)
description:
  - Notes the names of bundles before they are written, in a file of their directory, and tells which of those that were noted once are not used any more.
  - With O(remove=true), these are removed, and so are files that a run left which ended while it wrote a bundle.
  - A file that was never noted is somebody else's and stays.
extends_documentation_fragment:
  - webcallserver.balancer._attributes
options:
  path:
    description: The directory of the bundles.
    type: path
    required: true
  names:
    description: The names of the bundles that are used, as files of O(path).
    type: list
    elements: str
    required: true
  remove:
    description: Whether to remove the others.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Note which bundles there will be
  webcallserver.balancer.haproxy_bundles:
    path: /etc/haproxy/certs
    names: [wcs.example.com.pem]
  register: bundles

- name: Remove those that nothing uses any more
  webcallserver.balancer.haproxy_bundles:
    path: /etc/haproxy/certs
    names: [wcs.example.com.pem]
    remove: true
  when: bundles.stale | length > 0
"""

RETURN = r"""
stale:
  description: What is there and not used any more.
  type: list
  elements: str
  returned: success
  sample: [old.example.com.pem]
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._haproxy_bundles import account, ledger
from ..module_utils._io import FileError, write


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "names": {"type": "list", "elements": "str", "required": True},
            "remove": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    directory, used = module.params["path"], set(module.params["names"])
    try:
        noted, stale = account(directory, used)
        wanted = used if module.params["remove"] else noted | used
        changed = bool(module.params["remove"] and stale)
        if not module.check_mode:
            for name in stale if module.params["remove"] else ():
                os.unlink(os.path.join(directory, name))
            if wanted != noted:
                write(module, ledger(directory), "".join(f"{name}\n" for name in sorted(wanted)).encode(), mode=0o600)
    except (FileError, OSError) as problem:
        module.fail_json(msg=str(problem))
    module.exit_json(changed=changed, stale=stale)


if __name__ == "__main__":
    main()
