#!/usr/bin/python
# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: wcs_host_info
short_description: Look at a host that Web Call Server is installed on
version_added: 1.0.0
author:
  - webcallserver.balancer contributors (@webcallserver)
description:
  - Returns what a role has to know of the host before it changes anything there.
extends_documentation_fragment:
  - webcallserver.balancer._attributes.info
options:
  home:
    description: Directory that Web Call Server is installed in.
    type: path
    default: /usr/local/FlashphonerWebCallServer
  service:
    description: Name of its systemd unit.
    type: str
    default: webcallserver
  now:
    description: The controller's clock, in seconds since 1970.
    type: int
    required: true
"""

EXAMPLES = r"""
- name: Look at the host
  webcallserver.balancer.wcs_host_info:
    now: "{{ now(utc=true).timestamp() | int }}"
  register: host
"""

RETURN = r"""
host:
  description: What was seen.
  returned: success
  type: dict
  contains:
    root:
      description: Whether the task runs as root.
      type: bool
    units:
      description: C(LoadState), C(ActiveState), C(UnitFileState) and C(NeedDaemonReload) of the units of WCS, of the agent and of xinetd.
      type: dict
    version:
      description: Version of WCS, empty when it does not tell.
      type: str
    java:
      description: A Java to run it with.
      type: str
    free:
      description: Megabytes that are free where it is.
      type: int
    addresses:
      description: Addresses of the host.
      type: list
      elements: str
    ahead:
      description: Seconds for which the host's clock is ahead of O(now).
      type: int
    descriptors:
      description: File descriptors that WCS may have (C(WCS_FD_LIMIT)), 0 when it does not tell.
      type: int
    prefers_ipv4:
      description: Whether its Java listens on IPv4 alone.
      type: bool
    remains:
      description: Files of the how-to's agent that nothing uses any more.
      type: list
      elements: str
    unreadable:
      description: A sentence for each file that was not read because it is none.
      type: list
      elements: str
"""

import glob
import os
import re
import time

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._io import FileError, read

JAVA = ("/usr/bin/java", "/usr/local/bin/java", "/usr/java/*/bin/java", "/usr/lib/jvm/*/bin/java")
SHOWN = ("Id", "LoadState", "ActiveState", "UnitFileState", "NeedDaemonReload")
OF_THE_HOW_TO = ("/usr/local/bin/haproxy-agent-check.sh", "/usr/local/bin/haproxy-agent-check-launch.sh")
DESCRIPTORS = re.compile(r"^[^#\n]*\bWCS_FD_LIMIT(?:=(?:[\"']?\$\{WCS_FD_LIMIT:?[-=])?|:?[-=])[\"']?([0-9]{1,9})\b", re.MULTILINE)
PREFERS_IPV4 = re.compile(r"^[ \t]*-Djava\.net\.preferIPv4Stack=true[ \t\r]*$", re.MULTILINE)


class Files:
    """Text files of the host; those that are none are told."""

    def __init__(self) -> None:
        self.unreadable: list[str] = []

    def text(self, path: str) -> str:
        try:
            return (read(path) or b"").decode("utf-8", "replace")
        except FileError as problem:
            self.unreadable.append(str(problem))
            return ""


def units(module: AnsibleModule, names: list[str]) -> dict[str, dict[str, str]]:
    """What systemd says of units, by their names."""
    dummy, output, dummy = module.run_command(["systemctl", "show", *(f"--property={name}" for name in SHOWN), "--", *names])
    blocks = (dict(line.split("=", 1) for line in block.split("\n") if "=" in line) for block in output.split("\n\n"))
    return {block.pop("Id"): block for block in blocks if "Id" in block}


def addresses(module: AnsibleModule) -> list[str]:
    dummy, output, dummy = module.run_command(["ip", "-o", "address", "show", "scope", "global"])
    return re.findall(r" inet6? ([0-9a-f.:]+)", output)


def free(path: str) -> int:
    """Megabytes that root may still write; as many as matter where nobody knows."""
    try:
        status = os.statvfs(path)
    except OSError:
        return 1_000_000
    return status.f_bavail * status.f_frsize // 1024 // 1024


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "home": {"type": "path", "default": "/usr/local/FlashphonerWebCallServer"},
            "service": {"type": "str", "default": "webcallserver"},
            "now": {"type": "int", "required": True},
        },
        supports_check_mode=True,
    )
    home, files = module.params["home"], Files()
    version = files.text(f"{home}/conf/WCS.version").partition("\n")[0].strip()
    descriptors = DESCRIPTORS.findall(files.text(f"{home}/bin/setenv.sh"))
    java = [path for pattern in (*JAVA, f"{glob.escape(home)}/*/bin/java") for path in glob.glob(pattern) if os.access(path, os.X_OK)]
    host = {
        "root": os.geteuid() == 0,
        "units": units(module, [f"{module.params['service']}.service", "wcs-agent.service", "xinetd.service"]),
        "version": version if re.fullmatch(r"[0-9A-Za-z._-]{1,80}", version) else "",
        "java": next(iter(java), ""),
        "free": free(home),
        "addresses": addresses(module),
        "ipv6": os.path.exists("/proc/net/if_inet6"),
        "ahead": round(time.time()) - module.params["now"],
        "descriptors": int(descriptors[-1]) if descriptors else 0,
        "prefers_ipv4": bool(PREFERS_IPV4.search(files.text(f"{home}/conf/wcs-core.properties"))),
        "remains": [path for path in OF_THE_HOW_TO if os.path.lexists(path)],
        "unreadable": files.unreadable,
    }
    module.exit_json(changed=False, host=host)


if __name__ == "__main__":
    main()
