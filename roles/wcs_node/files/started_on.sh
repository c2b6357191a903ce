#!/bin/sh
# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# usage: started_on.sh PROPERTIES COPY
#
# Leaves a copy of the properties that WCS is about to be started on, behind a line with the unit's invocation. WCS's user owns
# the directory of the properties, so whatever waits, has no end, or leads elsewhere there is not read.
set -eu
umask 077

properties=$1
copy=$2
# A link of the administrator's own, whose directory is root's as well
if [ -L "$properties" ] && [ "$(stat -c %u -- "$properties" "$(dirname "$properties")" | sort -u)" = 0 ]; then
    properties=$(readlink -f -- "$properties")
fi
mkdir -p "$(dirname "$copy")"
chmod 0700 "$(dirname "$copy")"
rm -f "$copy"
{
    echo "# ${INVOCATION_ID-}"
    dd if="$properties" iflag=nofollow,nonblock,fullblock bs=1M count=4 status=none
} >"$copy.new"
mv -f "$copy.new" "$copy"
