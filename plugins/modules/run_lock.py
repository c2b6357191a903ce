#!/usr/bin/python
# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: run_lock
short_description: Keep two runs of the playbooks from one host
version_added: 1.0.0
author:
  - webcallserver.balancer contributors (@webcallserver)
description:
  - Claims a host for this run of C(ansible-playbook), and gives it back. It is the first thing that the playbooks of this collection do on a host,
    so that it also tells whether the host can be reached and whether Ansible is root there.
  - It fails for none of that. What stands in the way is returned, and the filter P(webcallserver.balancer._run_refusals#filter) makes one sentence
    of it for all hosts.
  - A claim ends when it is given back, when the process of its run has ended (which is seen from the controller it ran on), an hour after the host
    heard of that run last, or with the host's next start.
  - In check mode nothing is claimed, and nobody else's claim is in the way.
extends_documentation_fragment:
  - webcallserver.balancer._attributes.info
attributes:
  action:
    description: Names the run on the controller.
    support: full
options:
  state:
    description: Whether to claim the host or to give it back.
    type: str
    choices: [present, absent]
    default: present
  claim:
    description: The run, as the controller's side of this module says it.
    type: dict
    default: {}
    suboptions:
      run:
        description: The run's process on its controller.
        type: str
        required: true
      who:
        description: What people call it.
        type: str
        required: true
      begun:
        description: When it began.
        type: float
        required: true
  dead:
    description: A run whose process has ended.
    type: str
    default: ""
  patience:
    description: For how many seconds to wait for a run that began later, since that one steps back when two meet.
    type: int
    default: 15
  path:
    description: File with the claim.
    type: path
    default: /run/webcallserver.balancer.lock
"""

EXAMPLES = r"""
- name: Claim the host
  webcallserver.balancer.run_lock:
  register: mine

- name: Give it back
  webcallserver.balancer.run_lock:
    state: absent
"""

RETURN = r"""
problem:
  description: What kind of thing stands in the way, empty when nothing does.
  type: str
  returned: always
  choices: ["", unreachable, rights, held, failed]
detail:
  description: What was seen of it.
  type: str
  returned: always
  sample: deploy@controller, process 4711
holder:
  description: The run that has the claim.
  type: dict
  returned: when somebody else has it
minutes:
  description: In how many minutes that claim ends by itself.
  type: int
  returned: when somebody else has it
path:
  description: File with the claim.
  type: str
  returned: always
"""

import fcntl
import os
import time

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _run_lock
from ..module_utils._run_lock import Claim


def now() -> float:
    """Seconds since the host's start, which nobody sets."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def attempt(path: str, ours: Claim, state: str, dead: str) -> Claim | None:
    """Write or remove our claim; return the one that is in the way."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with open(handle, "r+b", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        held = _run_lock.parse(file.read(_run_lock.LARGEST))
        if _run_lock.in_the_way(held, ours, now(), dead):
            return held if state == "present" else None
        file.seek(0)
        file.truncate()
        if state == "present":
            file.write(_run_lock.render(ours._replace(heard=now())))
    return None


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "claim": {
                "type": "dict",
                "default": {},
                "options": {
                    "run": {"type": "str", "required": True},
                    "who": {"type": "str", "required": True},
                    "begun": {"type": "float", "required": True},
                },
            },
            "dead": {"type": "str", "default": ""},
            "patience": {"type": "int", "default": 15},
            "path": {"type": "path", "default": "/run/webcallserver.balancer.lock"},
        },
        supports_check_mode=True,
    )
    wanted = module.params
    ours, path = Claim(**wanted["claim"]), wanted["path"]
    if os.geteuid() != 0:
        module.exit_json(changed=False, problem="rights", detail=f"it works as the user with the number {os.geteuid()}", path=path)
    if module.check_mode:
        module.exit_json(changed=False, problem="", detail="", path=path)
    end = now() + wanted["patience"]
    try:
        held = attempt(path, ours, wanted["state"], wanted["dead"])
        while held and _run_lock.gives_way(held, ours) and now() < end:
            time.sleep(0.5)
            held = attempt(path, ours, wanted["state"], wanted["dead"])
    except OSError as failure:
        module.exit_json(changed=False, problem="failed", detail=f"{path}: {failure.strerror}", path=path)
    if held:
        minutes = int((_run_lock.LEASE - (now() - held.heard)) // 60) + 1
        module.exit_json(changed=False, problem="held", detail=held.who, holder=held._asdict(), minutes=minutes, path=path)
    module.exit_json(changed=False, problem="", detail="", path=path)


if __name__ == "__main__":
    main()
