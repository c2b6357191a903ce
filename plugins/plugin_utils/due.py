# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no promise of stability to other collections.
"""What is to be done on a host: a clause for everything that is not as it should be."""

from __future__ import annotations

import typing as t

from .files import Entry, differences

# What host_look returned
Look = t.Mapping[str, t.Any]


def service_due(service: t.Mapping[str, t.Any]) -> list[str]:
    """Return why a service has to be started, reloaded or enabled."""
    if "msg" in service:
        return [str(service["msg"])]
    clauses = [] if service["in_force"] else [str(reason) for reason in service["reasons"]]
    if not service["enabled"]:
        clauses.append("it does not start at boot")
    if service["masked"]:
        clauses.append("it is masked")
    if service["daemon_reload"]:
        clauses.append("systemd has not read its unit")
    return clauses


def due(
    look: Look,
    kind: str,
    files: t.Iterable[Entry] = (),
    packages: t.Iterable[str] = (),
    users: t.Mapping[str, t.Mapping[str, str]] | None = None,
    services: t.Mapping[str, t.Mapping[str, t.Any]] | None = None,
    also: t.Iterable[str] = (),
) -> list[str]:
    """Return what is to be done, a clause each, behind its kind; nothing where the host is as it should be.

    kind is runtime, reload or restart: what it means for the sessions there are. files are as for host_files, users have home and shell by name,
    services are answers of the look by what they are called, and of also counts what is not empty.
    """
    clauses = [f"{path}: {clause}" for path, clause in differences(files, look["files"]).items()]
    clauses += [f"{name} is not installed" for name in packages if name in look["packages"]]
    clauses += [f"the user {name} is missing, or another one" for name, user in (users or {}).items() if look["users"].get(name) != dict(user)]
    clauses += [f"{name}: {clause}" for name, service in (services or {}).items() for clause in service_due(service)]
    clauses += [str(clause) for clause in also if clause]
    return [f"{kind}: {clause}" for clause in clauses]
