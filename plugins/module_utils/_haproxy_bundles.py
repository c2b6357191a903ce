# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no promise of stability to other collections.
"""The account of bundles with private keys, so that none outlives its use."""

from __future__ import annotations

import os
import time
import typing as t

from ._io import read

LEDGER = ".bundles"
# Other runs may be writing now
OLD = 3600


def _left_behind(directory: str) -> list[str]:
    """Return the files in which a bundle was being written when a run ended."""
    try:
        found = [entry for entry in os.scandir(directory) if entry.name.startswith(".ansible_tmp") and entry.is_file(follow_symlinks=False)]
    except FileNotFoundError:
        return []
    return [entry.name for entry in found if time.time() - entry.stat(follow_symlinks=False).st_mtime > OLD]


class Account(t.NamedTuple):
    """What is known of a directory of bundles."""

    noted: set[str]  # bundles that the roles have written
    stale: list[str]  # files that are there and not used any more


def ledger(directory: str) -> str:
    """Return the file that the account is in."""
    return os.path.join(directory, LEDGER)


def account(directory: str, used: t.Container[str]) -> Account:
    """Return the account, and what of it is used no more; FileError and OSError for what cannot be read."""
    lines = (read(ledger(directory)) or b"").decode("utf-8", "replace").split("\n")
    noted = {name for name in lines if name and "/" not in name}
    unused = sorted(name for name in noted if name not in used and os.path.isfile(os.path.join(directory, name)))
    return Account(noted, unused + sorted(_left_behind(directory)))
