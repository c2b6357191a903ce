# shellcheck shell=sh
# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Let ufw read its rules again, and lead packets through them: a reload does not bring back what somebody has taken out of INPUT.
set -eu
PATH=$PATH:/usr/sbin:/sbin
ufw reload
lead() {
    "$1" -S "$2" >/dev/null 2>&1 || return 0
    "$1" -C INPUT -j "$2" 2>/dev/null || "$1" -I INPUT -j "$2"
}
lead iptables ufw-before-input
lead ip6tables ufw6-before-input
