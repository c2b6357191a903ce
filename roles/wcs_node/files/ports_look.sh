# shellcheck shell=sh
# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What a host says of its firewalls and of the ports that must never be closed, one finding a line:
#   ssh PORT              the SSH server listens there, or this very connection uses it
#   active FIREWALL       it is in force
#   touched FIREWALL      it holds something of ours
#   live FIREWALL DIGEST  our rules of that digest are in force
#   has nft               nftables is installed
PATH=$PATH:/usr/sbin:/sbin
export LC_ALL=C

# The server names an address for every port, whether it was configured by address or by port.
sshd -T 2>/dev/null | sed -n 's/^listenaddress .*:\([0-9]*\)$/ssh \1/p'
# A port that systemd listens on in place of the server is known to the processes of this connection alone; sudo hides it from this one.
process=$$
while [ "$process" -gt 1 ]; do
    tr '\0' '\n' <"/proc/$process/environ" | sed -n 's/^SSH_CONNECTION=.* /ssh /p' | grep . && break
    process=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$process/status")
done

policy=/etc/firewalld/policies/wcs-node.xml
rules() {
    firewall-cmd "$@" --policy=wcs-node --list-rich-rules 2>&1 | sort
}
[ -e "$policy" ] && echo touched firewalld
if systemctl is-active --quiet firewalld; then
    echo active firewalld
    [ -e "$policy" ] && [ "$(rules)" = "$(rules --permanent)" ] && sed -n 's/.*wcs_node:\([0-9a-f]*\).*/live firewalld \1/p' "$policy"
fi

if command -v ufw >/dev/null; then
    ufw status | grep -q '^Status: active' && echo active ufw
    grep -qs 'BEGIN wcs_node' /etc/ufw/before.rules /etc/ufw/before6.rules && echo touched ufw
    { iptables -S ufw-before-input; ip6tables -S ufw6-before-input; } 2>/dev/null |
        sed -n 's/.*--comment "\{0,1\}wcs_node:\([0-9a-f]*\).*/live ufw \1/p'
fi

if command -v nft >/dev/null; then
    echo has nft
    systemctl is-enabled --quiet wcs-node-ports 2>/dev/null &&
        nft list chain inet wcs_node input 2>/dev/null | sed -n 's/.*comment "wcs_node:\([0-9a-f]*\)".*/live nftables \1/p'
fi
[ -e /etc/systemd/system/wcs-node-ports.service ] && echo touched nftables
exit 0
