# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no promise of stability to other collections.
"""A host that Web Call Server is installed on."""

from __future__ import annotations

import glob
import os
import re
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ._in_force import parse_unit
from ._io import FileError, read
from ._services import show

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
    blocks = map(parse_unit, show(module, SHOWN, *names).split("\n\n"))
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


def look(module: AnsibleModule, home: str, service: str, now: int) -> dict[str, t.Any]:
    """Return what a role has to know of the host before it changes anything there.

    root (whether this runs as root), units (LoadState, ActiveState, UnitFileState and NeedDaemonReload of WCS, the agent and xinetd, by name),
    version of WCS and a java to run it with (both '' where there is none), free (megabytes where it is), addresses, ipv6, ahead (seconds for which
    the host's clock is ahead of now), descriptors that WCS may have (0 when it does not tell), prefers_ipv4 (whether its Java listens on IPv4
    alone), remains (files of the how-to's agent that nothing uses any more), and unreadable (a sentence for each file that is none).
    """
    files = Files()
    version = files.text(f"{home}/conf/WCS.version").partition("\n")[0].strip()
    descriptors = DESCRIPTORS.findall(files.text(f"{home}/bin/setenv.sh"))
    java = [path for pattern in (*JAVA, f"{glob.escape(home)}/*/bin/java") for path in glob.glob(pattern) if os.access(path, os.X_OK)]
    return {
        "root": os.geteuid() == 0,
        "units": units(module, [f"{service}.service", "wcs-agent.service", "xinetd.service"]),
        "version": version if re.fullmatch(r"[0-9A-Za-z._-]{1,80}", version) else "",
        "java": next(iter(java), ""),
        "free": free(home),
        "addresses": addresses(module),
        "ipv6": os.path.exists("/proc/net/if_inet6"),
        "ahead": round(time.time()) - now,
        "descriptors": int(descriptors[-1]) if descriptors else 0,
        "prefers_ipv4": bool(PREFERS_IPV4.search(files.text(f"{home}/conf/wcs-core.properties"))),
        "remains": [path for path in OF_THE_HOW_TO if os.path.lexists(path)],
        "unreadable": files.unreadable,
    }
