# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy's statistics as the tests look at them: asked and read as the product does."""

from __future__ import annotations

from ansible_collections.webcallserver.balancer.plugins.module_utils._haproxy import SERVER, ask, rows


def servers_of(statistics, backend="wcs_back"):
    """Name of each server of a backend: its row, from the answer to C(show stat)."""
    return {row["svname"]: row for row in rows(statistics) if row["pxname"] == backend and row["type"] == SERVER}


def servers(socket, backend="wcs_back"):
    return servers_of(ask(str(socket), "show stat"), backend)


def pid(socket):
    """The process that answers."""
    return next(line.split()[1] for line in ask(str(socket), "show info").splitlines() if line.startswith("Pid:"))
