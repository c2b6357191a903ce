#!/bin/sh
# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# usage: rules_loaded.sh TABLE FILE SHA256 RECORD
#
# Fails where FILE is not the one that was installed, or the table that it describes is not in the kernel, whole. Else leaves in
# RECORD the digests of the file and of the table as the kernel has it, by which a run sees whether the rules are in force.
set -eu
umask 077
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C

rm -f "$4"
digest=$(sha256sum <"$2")
if [ "${digest%% *}" != "$3" ]; then
    echo "$2 is not the file that was installed: run the role again" >&2
    exit 1
fi
table=$(nft --stateless list table inet "$1")
if [ "$(echo "$table" | grep -c dport)" != "$(grep -c dport "$2")" ]; then
    echo "the kernel has not all rules of $2" >&2
    exit 1
fi
{
    echo "$digest"
    echo "$table" | sha256sum
} >"$4"
