# shellcheck shell=sh
# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# usage: sh -s NAME...
#
# The names that do not resolve on this host, one a line.
export LC_ALL=C

for name in "$@"; do
    timeout 15 getent ahosts "${name%.}" >/dev/null || echo "$name" &
done
wait
