# shellcheck shell=sh
# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What a host says of its firewalls and of the ports that must never be closed, one finding a line:
#   ssh PORT                   the SSH server listens there, or this very connection uses it
#   active FIREWALL            it is in force
#   touched ROLE FIREWALL      it holds something of that role
#   live ROLE FIREWALL DIGEST  the rules of that digest are in force
#   has nft                    nftables is installed
PATH=$PATH:/usr/sbin:/sbin
export LC_ALL=C

# The server names an address for every port, whether it was configured by address or by port.
sshd -T 2>/dev/null | sed -n 's/^listenaddress .*:\([0-9]*\)$/ssh \1/p'
# systemd may listen in place of the server.
systemctl show --property=Listen ssh.socket sshd.socket 2>/dev/null | sed -n 's/^Listen=\(.*:\)\{0,1\}\([0-9][0-9]*\) (Stream)$/ssh \2/p'
# The processes of this connection know the port that it uses, whatever listens there; sudo hides it from this one.
process=$$
while [ "$process" -gt 1 ]; do
    tr '\0' '\n' <"/proc/$process/environ" | sed -n 's/^SSH_CONNECTION=.* /ssh /p' | grep . && break
    process=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$process/status")
done

systemctl is-active --quiet firewalld && firewalld=yes && echo active firewalld
command -v ufw >/dev/null && ufw status | grep -q '^Status: active' && echo active ufw
command -v nft >/dev/null && echo has nft

rules() {
    firewall-cmd "$@" --list-rich-rules 2>&1 | sort
}
# Each family that ufw filters has to hold them, and every one of them
ufw_marks() {
    found=$("$2" -S "$3" 2>/dev/null) || return 0
    found=$(echo "$found" | sed -n "s/^-A .*--comment \"\{0,1\}$1:\([0-9a-f]*\).*/\1/p")
    [ "$(echo "$found" | grep -c .)" = "$(grep -cs -e "^-A .*--comment $1:" "/etc/ufw/$4")" ] || found=some
    echo "${found:-none}" | sort -u | sed "s/^/live $1 ufw /"
}
nftables_marks() {
    systemctl is-enabled --quiet "$2-ports" 2>/dev/null || return 0
    found=$(nft list chain inet "$1" input 2>/dev/null)
    [ "$(echo "$found" | grep -c dport)" = "$(grep -cs dport "/etc/$2-ports.nft")" ] || return 0
    echo "$found" | sed -n "s/.*comment \"$1:\([0-9a-f]*\)\".*/live $1 nftables \1/p"
}
look_for() {
    name=$(echo "$1" | tr _ -)
    policy=/etc/firewalld/policies/$name.xml
    [ -e "$policy" ] && echo "touched $1 firewalld"
    [ "${firewalld-}" ] && [ -e "$policy" ] && [ "$(rules --policy="$name")" = "$(rules --permanent --policy="$name")" ] &&
        sed -n "s/.*$1:\([0-9a-f]*\).*/live $1 firewalld \1/p" "$policy"
    grep -qs "BEGIN $1" /etc/ufw/before.rules /etc/ufw/before6.rules && echo "touched $1 ufw"
    ufw_marks "$1" iptables ufw-before-input before.rules
    ufw_marks "$1" ip6tables ufw6-before-input before6.rules
    nftables_marks "$1" "$name"
    [ -e "/etc/systemd/system/$name-ports.service" ] && echo "touched $1 nftables"
}
look_for wcs_node
look_for haproxy_lb
exit 0
