# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What HAProxy answers on its sockets."""

from __future__ import annotations

import csv
import io
import socket
import time

# Of five thousand servers it is three million bytes
LARGEST = 64 * 1024 * 1024
# In seconds, for one answer
PATIENCE = 15
# The column C(type) of a server, as text
SERVER = "2"


class NoAnswer(Exception):
    """HAProxy said something that is not what it was asked for."""


def ask(path: str, command: str) -> str:
    """Return HAProxy's answer to one command on one of its sockets; OSError when nobody listens there, NoAnswer when it has no end."""
    end, parts, size = time.monotonic() + PATIENCE, [], 0
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE)
        connection.connect(path)
        connection.sendall(f"{command}\n".encode())
        # The master's socket stays open after an answer for as long as more may be asked
        connection.shutdown(socket.SHUT_WR)
        while part := connection.recv(65536):
            parts.append(part)
            size += len(part)
            if size > LARGEST or time.monotonic() > end:
                raise NoAnswer(f"the answer to {command} has no end")
    return b"".join(parts).decode("utf-8", "replace")


def rows(statistics: str) -> list[dict[str, str]]:
    """Return the lines of the CSV of C(show stat), a mapping each. A text in it may have any character but the one that ends a line."""
    try:
        found = list(csv.DictReader(io.StringIO(statistics.removeprefix("# "), newline="\n")))
    except csv.Error as error:
        raise NoAnswer(f"its statistics cannot be read: {error}") from error
    if any(row.get(key) is None for row in found for key in ("pxname", "svname", "type")):
        raise NoAnswer("its statistics have no columns pxname, svname and type")
    return found
