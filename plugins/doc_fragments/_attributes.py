# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no promise of stability to other collections.

from __future__ import annotations


class ModuleDocFragment:
    """What the modules of this collection have in common, worded once."""

    # A module that changes a file.
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode), and then reports exactly what a real run would change, without changing it.
    support: full
  diff_mode:
    description: Returns what has changed, or would change, in C(diff) mode. Whatever looks secret is masked.
    support: full
  platform:
    description: The operating systems of the target on which the module runs.
    support: full
    platforms: posix
"""

    # A module that only reads.
    INFO = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode); it changes nothing in any case.
    support: full
  diff_mode:
    description: Returns what has changed in C(diff) mode; this module changes nothing.
    support: N/A
  platform:
    description: The operating systems of the target on which the module runs.
    support: full
    platforms: posix
"""
