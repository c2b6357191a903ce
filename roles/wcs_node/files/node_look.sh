# shellcheck shell=sh
# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# usage: sh -s HOME SERVICE SECONDS
#
# What a host says of itself, KEY=VALUE a line: the units of WCS, of the agent and of xinetd as systemctl has them, then
#   Version=  of WCS          Java=     a Java to run it with   Free=  megabytes where WCS is
#   Address=  one of the host's own     Ahead=  seconds the clock is ahead of SECONDS, the controller's clock
PATH=$PATH:/usr/sbin:/sbin
export LC_ALL=C

systemctl show --property=Id,LoadState,ActiveState "$2.service" wcs-agent.service xinetd.service
[ -r "$1/conf/WCS.version" ] && echo "Version=$(head -n 1 "$1/conf/WCS.version")"
for java in "$(command -v java)" /usr/java/*/bin/java /usr/lib/jvm/*/bin/java "$1"/*/bin/java; do
    [ -x "$java" ] && echo "Java=$java" && break
done
echo "Free=$(df -Pm "$1" 2>/dev/null | sed -n '2s/^[^ ]* *[^ ]* *[^ ]* *\([0-9]*\).*/\1/p')"
ip -o address show scope global | sed -n 's/.* inet6\{0,1\} \([^/ ]*\).*/Address=\1/p'
echo "Ahead=$(($(date +%s) - $3))"
