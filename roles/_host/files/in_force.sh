#!/bin/sh
# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# usage: in-force take RECORD FILE...     before a service reads its files
#        in-force keep RECORD             once it has come up on them
#
# A service's unit leaves here which files its process was loaded from: the invocation of the unit, then a line a file as
# sha256sum writes them, so that `sha256sum --check RECORD` says what differs. What was taken and never kept counts for nothing.
set -eu
umask 077

action=$1
record=$2
shift 2
case $action in
take)
    rm -f "$record.taken"
    {
        echo "# ${INVOCATION_ID-}"
        # A file that is missing has no line, and is then not what the service runs on
        sha256sum -- "$@" 2>/dev/null || :
    } >"$record.taken"
    ;;
keep) mv -f "$record.taken" "$record" ;;
*)
    echo "usage: in-force take RECORD FILE... | keep RECORD" >&2
    exit 2
    ;;
esac
