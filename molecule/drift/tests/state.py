# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host is like, as JSON: its files, units, packages, rules and processes. It is fed to the Python of the host, whatever release that is."""

import grp
import hashlib
import json
import os
import pwd
import stat
import subprocess

PLACES = ("/etc", "/usr/local", "/srv", "/var/lib/wcs-agent")
UNITS = ("haproxy.service", "haproxy-tickets.service", "haproxy-tickets.timer", "nginx.service")
UNITS += ("webcallserver.service", "wcs-agent.service", "wcs-node-ports.service")
# What differs whenever a package or a user comes, or time goes by
PASSING = ("/etc/ld.so.cache", "/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-", "/etc/subuid-", "/etc/subgid-", "/etc/mtab", "/etc/.pwd.lock")
PASSING += ("/usr/local/FlashphonerWebCallServer/logs",)
# Of these, what is in them
WRITTEN = ("/etc/haproxy/ticket-keys", "/var/lib/wcs-agent/state.json")


def run(*command):
    """What a program printed; nothing where it is not there, as nft is not on a balancer."""
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False).stdout
    except FileNotFoundError:
        return ""


def name(lookup, number):
    try:
        return lookup(number)[0]
    except KeyError:
        return str(number)


def entry(path):
    found = os.lstat(path)
    kind = stat.S_IFMT(found.st_mode)
    said = ["%06o" % found.st_mode, name(pwd.getpwuid, found.st_uid), name(grp.getgrgid, found.st_gid)]
    if kind == stat.S_IFLNK:
        said.append(os.readlink(path))
    elif kind == stat.S_IFREG and not path.startswith(WRITTEN) and not path.endswith(".pyc"):
        with open(path, "rb") as stream:
            said.append(hashlib.sha256(stream.read()).hexdigest())
    return " ".join(said)


def files():
    paths = [os.path.join(place, found) for top in PLACES for place, below, inside in os.walk(top) for found in below + inside]
    return {path: entry(path) for path in paths if not path.startswith(PASSING)}


def units():
    found = {}
    for unit in UNITS:
        shown = run("systemctl", "show", "--property=LoadState,ActiveState,UnitFileState,NeedDaemonReload", unit)
        found[unit] = " ".join(sorted(shown.split()))
    return found


def processes():
    """The main process of each service, and the ones that it has started."""
    found = {}
    for unit in UNITS:
        main = run("systemctl", "show", "--property=MainPID", unit).strip().partition("=")[2]
        if main not in ("", "0"):
            found[unit] = [main, run("pgrep", "--parent", main).split()]
    return found


print(
    json.dumps(
        {
            "files": files(),
            "units": units(),
            "unit files": dict(line.split()[:2] for line in run("systemctl", "list-unit-files", "--no-legend").splitlines()),
            "packages": dict(line.split() for line in run("dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n").splitlines()),
            "users": {user.pw_name: "%s %s" % (user.pw_dir, user.pw_shell) for user in pwd.getpwall()},
            "rules": {"all": run("nft", "--stateless", "list", "ruleset")},
            "processes": processes(),
        }
    )
)
