# shellcheck shell=sh
# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# usage: sh -s SITE
#
# What a host says of itself, one finding a line:
#   family ipv6   the kernel has it
#   own SITE      Debian's first site, SITE, is what somebody made of it, and neither the package's nor the role's
export LC_ALL=C

grep -qs . /proc/net/if_inet6 && echo family ipv6
if [ -f "$1" ] && ! grep -q '^# Left empty: the welcome page' "$1"; then
    packaged=$(dpkg-query --show --showformat='${Conffiles}\n' nginx-common 2>/dev/null | sed -n 's#^ /etc/nginx/sites-available/default \([0-9a-f]*\).*#\1#p')
    [ "$(md5sum <"$1")" = "$packaged  -" ] || echo "own $1"
fi
exit 0
