# shellcheck shell=sh
# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# usage: sh -s ROLE
#
# Says why firewalld must not be reloaded, and nothing where it may be. Only what SSH may have come in by counts: bans and the
# interfaces of zones come and go at run time as they should.
export LC_ALL=C

if ! firewall-cmd --get-policies >/dev/null 2>&1; then
    echo "firewalld is older than 0.9 and has no policies, which hold the rules: upgrade it, or set ${1}_firewall to none."
    exit
fi
lets_in() {
    firewall-cmd "$@" --list-all-zones | sed -n 's/^\([^ ]\+\).*/\1/p; /^  \(target\|services\|ports\|sources\):/p'
}
if [ "$(lets_in)" != "$(lets_in --permanent)" ]; then
    echo 'firewalld has services, ports or sources that were changed at run time only, maybe those that let SSH in, and a reload would forget them:'
    echo 'keep them with "firewall-cmd --runtime-to-permanent", or forget them with "firewall-cmd --reload", then run again.'
fi
