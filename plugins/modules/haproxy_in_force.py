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
  nofile:
    description: How many files HAProxy should be able to open. A warning says so when it runs with fewer.
    type: int
    default: 0
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
"""

import hashlib

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _haproxy, _in_force
from ..module_utils import _haproxy_in_force as haproxy
from ..module_utils._io import FileError, read

ENABLED = ("enabled", "enabled-runtime", "static", "alias")


def digest(data: bytes | None) -> str | None:
    """Return the SHA-256 of what is in a file, None when there is none."""
    return None if data is None else hashlib.sha256(data).hexdigest()


def content(path: str) -> bytes | None:
    """Return what is in a file that the configuration names; what is no file is left to HAProxy."""
    try:
        return read(path)
    except FileError:
        return None


def unit(module: AnsibleModule, name: str) -> dict[str, str]:
    """Return what systemd says of a unit."""
    shown = [f"--property={key}" for key in _in_force.SHOWN]
    dummy, output, dummy = module.run_command(["systemctl", "show", *shown, "--", name], check_rc=True)
    return _in_force.parse_unit(output)


def ask(path: str, command: str) -> str:
    """Ask the running HAProxy; the answer is empty when it cannot be asked."""
    try:
        return _haproxy.ask(path, command)
    except (OSError, _haproxy.NoAnswer):
        return ""


def limits(pid: str, hard: bool = False) -> int:
    """Return how many files a process may open, or may ask for at most."""
    try:
        with open(f"/proc/{int(pid)}/limits", encoding="ascii") as stream:
            return haproxy.open_files(stream.read(), hard)
    except (OSError, ValueError):
        return 0


def tickets_agree(configuration: haproxy.Configuration) -> bool:
    """Whether the running HAProxy has the keys that are in the file."""
    if not configuration.ticket_keys:
        return True
    used = haproxy.ticket_keys(ask(configuration.socket, f"show tls-keys {configuration.ticket_keys}"))
    kept = (read(configuration.ticket_keys) or b"").decode("ascii", "replace").split()
    return not used or used == kept[-len(used) :]


def look(module: AnsibleModule) -> dict[str, object]:
    """Return everything there is to say."""
    config = module.params["config"]
    haproxy_unit, timer = unit(module, "haproxy.service"), unit(module, module.params["timer"])
    data, record, last_good = read(config), read(module.params["record"]), read(f"{config}.last-good")
    configuration = haproxy.parse((data or b"").decode("utf-8", "replace"))
    parsed = None if record is None else _in_force.parse_record(record.decode("utf-8", "replace"))
    bundles = {path for bind in configuration.binds for path in bind.bundles if path.startswith("/")}
    contents = {path: data if path == config else content(path) for path in sorted({config, *bundles, *(parsed.files if parsed else ())})}
    reasons = _in_force.differences(haproxy_unit, parsed, {path: digest(found) for path, found in contents.items()})
    active = haproxy_unit.get("ActiveState") in ("active", "reloading")
    # What is known to be stale needs no second look
    if not reasons:
        reasons = haproxy.foreign(configuration.binds, module.params["names"], {path: haproxy.leaf(found or b"") for path, found in contents.items()})
    return {
        "in_force": not reasons,
        "reasons": reasons,
        "active": active,
        "enabled": haproxy_unit.get("UnitFileState") in ENABLED,
        "masked": haproxy_unit.get("LoadState") == "masked",
        "loaded": haproxy_unit.get("LoadState") in ("loaded", "masked"),
        "daemon_reload": "yes" in (haproxy_unit.get("NeedDaemonReload"), timer.get("NeedDaemonReload")),
        "tickets": not active or tickets_agree(configuration),
        "timer": timer.get("ActiveState") == "active" and timer.get("UnitFileState") in ENABLED,
        "timer_loaded": timer.get("LoadState") == "loaded",
        "good": last_good in (None, data),
        "nofile": limits(haproxy_unit.get("MainPID", "0")) if active else 0,
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "config": {"type": "path", "default": "/etc/haproxy/haproxy.cfg"},
            "record": {"type": "path", "default": "/run/haproxy-lb/in-force"},
            "names": {"type": "list", "elements": "str", "default": []},
            "timer": {"type": "str", "default": "haproxy-tickets.timer"},
            "nofile": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    try:
        found = look(module)
    except FileError as problem:
        module.fail_json(msg=str(problem))
    # A machine that grants no more has no more to take up
    if 0 < int(str(found["nofile"])) < min(module.params["nofile"], limits("1", hard=True)):
        module.warn(
            f"haproxy runs with {found['nofile']} file descriptors; the {module.params['nofile']} of its unit are taken up when it is next started, "
            "which ends every session, so it is not restarted here."
        )
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
