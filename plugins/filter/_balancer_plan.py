# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that the role haproxy_lb is to do on a host, computed once; for that role alone."""

from __future__ import annotations

from ..plugin_utils.checks_balancer import balancer_plan


class FilterModule:
    """The one filter of this file."""

    def filters(self):
        return {"_balancer_plan": balancer_plan}
