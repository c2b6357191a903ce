# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no promise of stability to other collections.
"""What a release of HAProxy is able to do; one that is too old is a ValueError with the sentence."""

from __future__ import annotations

import re
import typing as t

ASSUMED = (2, 6)
OLDEST = (2, 2)

# ability: first release that has it
SINCE = {
    "proto_h1": (2, 4),
    "fd_hard_limit": (2, 6),
    "hands_sockets_over": (2, 6),
    "http2_websockets": (2, 4),
}

# ability: single releases that have lost it
BROKEN = {"http2_websockets": ["3.0.22", "3.2.18", "3.3.9"]}


def haproxy_release(text: str) -> dict[str, t.Any]:
    """Return release and abilities."""
    version, release = ASSUMED, ""
    if text:
        match = re.match(r"HA-?Proxy version ((\d+)\.(\d+)[.\d]*)", text)
        if match is None:
            raise ValueError(f"haproxy -v said '{text.splitlines()[0]}', which names no version")
        version, release = (int(match[2]), int(match[3])), match[1]
    if version < OLDEST:
        raise ValueError(
            f"HAProxy {version[0]}.{version[1]} is installed, {OLDEST[0]}.{OLDEST[1]} or later is needed; "
            "point haproxy_lb_package at a newer package or move the balancer to a newer distribution"
        )
    able = {ability: version >= first and release not in BROKEN.get(ability, ()) for ability, first in SINCE.items()}
    return {"version": f"{version[0]}.{version[1]}", **able}
