# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports for stand-ins in tests: below those that the kernel gives to connections, and each process from a place of its own."""

from __future__ import annotations

import itertools
import os
import socket

LOWEST, HIGHEST = 10000, 32000

_candidates = itertools.islice(itertools.cycle(range(LOWEST, HIGHEST)), os.getpid() * 97 % (HIGHEST - LOWEST), None)


def _is_free(port):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1 if kind is socket.SOCK_STREAM else 0)
            try:
                probe.bind(("", port))
            except OSError:
                return False
    return True


def free_port():
    return next(port for port in _candidates if _is_free(port))
