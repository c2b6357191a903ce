# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no promise of stability to other collections.
"""Whose turn it is on a host: the claim that a run of the playbooks leaves there, and what another run makes of it."""

from __future__ import annotations

import json
import typing as t

# Seconds after which a run that was not heard of again has no claim; a part of a run that takes longer is not known
LEASE = 3600
LARGEST = 4096


class Claim(t.NamedTuple):
    """A run of the playbooks: its process, whose it is, when it began (for an order among runs), and when the host heard of it last."""

    run: str
    who: str
    begun: float
    heard: float = 0.0


def parse(data: bytes) -> Claim | None:
    """Return the claim in a file; what is no claim, as a file that was never finished, is none."""
    try:
        found = json.loads(data)
        return Claim(str(found["run"]), str(found["who"]), float(found["begun"]), float(found["heard"]))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def render(claim: Claim) -> bytes:
    """Return the claim as its file has it."""
    return json.dumps(claim._asdict()).encode() + b"\n"


def in_the_way(held: Claim | None, ours: Claim, now: float, dead: str = "") -> bool:
    """Return whether somebody else's claim counts; `dead` is a run whose process is known to have ended."""
    return held is not None and held.run not in (ours.run, dead) and 0 <= now - held.heard < LEASE


def gives_way(held: Claim, ours: Claim) -> bool:
    """Return whether the other run would step back if it met us, as the later of two that take their hosts at the same time does."""
    return (held.begun, held.run) > (ours.begun, ours.run)
