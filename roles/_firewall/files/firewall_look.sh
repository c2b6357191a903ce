# shellcheck shell=sh
# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# usage: sh -s ROLE...
#
# What a host says of its firewalls and of the ports that must never be closed, one finding a line:
#   ssh PORT                   the SSH server listens there, or this very connection uses it
#   active FIREWALL            it is in force
#   touched ROLE FIREWALL      it holds something of that role
#   live ROLE FIREWALL DIGEST  the rules of that digest are in force
#   block ROLE FILE SHA256     what ufw's FILE has of the role, where nobody but root may write it
#   has nft                    nftables is installed
#   family ipv4|ipv6           the kernel has it
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

echo family ipv4
[ -e /proc/net/if_inet6 ] && echo family ipv6
systemctl is-active --quiet firewalld && firewalld=yes && echo active firewalld
command -v ufw >/dev/null && ufw status | grep -q '^Status: active' && echo active ufw
command -v nft >/dev/null && echo has nft

# All of a policy of firewalld, less what differs between what is saved and what is in force
policy() {
    firewall-cmd "$@" --list-all 2>&1 | sed 1d | sort
}
# firewalld does not notice when somebody else empties the kernel. Where there is no nft, it has brought the library
library='import nftables; print(nftables.Nftables().cmd("list ruleset")[1])'
policy_in_kernel() {
    { nft list ruleset || python3 -c "$library" || iptables-save || echo "nobody knows of IN_policy_$1"; iptables-save; ip6tables-save; } 2>/dev/null |
        grep -q "IN_policy_$1"
}
# Each family that ufw filters has to hold them, every one of them, and to come by there
ufw_marks() {
    found=$("$2" -S "$3" 2>/dev/null) || return 0
    found=$(echo "$found" | sed -n "s/^-A .*--comment \"\{0,1\}$1:\([0-9a-f]*\).*/\1/p")
    [ "$(echo "$found" | grep -c .)" = "$(grep -cs -e "^-A .*--comment $1:" "/etc/ufw/$4")" ] || found=some
    "$2" -S INPUT | grep -q -e "-j $3\$" || found=past
    echo "${found:-none}" | sort -u | sed "s/^/live $1 ufw /"
}
# What the unit, as systemd has read it, has noted of its file and of the table in the kernel still holds
nftables_marks() {
    systemctl is-enabled --quiet "$2-ports" 2>/dev/null && systemctl is-active --quiet "$2-ports" || return 0
    [ "$(systemctl show --property=NeedDaemonReload "$2-ports")" = NeedDaemonReload=no ] || return 0
    found=$(nft --stateless list table inet "$1" 2>/dev/null) || return 0
    noted=$({ sha256sum <"/etc/$2-ports.nft"; echo "$found" | sha256sum; } 2>/dev/null)
    [ "$noted" = "$(cat "/run/$2-ports" 2>/dev/null)" ] || return 0
    echo "$found" | sed -n "s/.*comment \"$1:\([0-9a-f]*\)\".*/live $1 nftables \1/p"
}
look_for() {
    name=$(echo "$1" | tr _ -)
    policy=/etc/firewalld/policies/$name.xml
    [ -e "$policy" ] && echo "touched $1 firewalld"
    [ "${firewalld-}" ] && [ -e "$policy" ] && [ "$(policy --policy="$name")" = "$(policy --permanent --policy="$name")" ] && policy_in_kernel "$name" &&
        sed -n "s/.*$1:\([0-9a-f]*\).*/live $1 firewalld \1/p" "$policy"
    for file in before.rules before6.rules; do
        [ "$(stat -c '%a %U:%G' "/etc/ufw/$file" 2>/dev/null)" = '640 root:root' ] || continue
        sed -n "/^# BEGIN $1\$/,/^# END $1\$/{//!p}" "/etc/ufw/$file" | sha256sum | sed "s/^\([0-9a-f]*\).*/block $1 $file \1/"
    done
    grep -qs "BEGIN $1" /etc/ufw/before.rules /etc/ufw/before6.rules && echo "touched $1 ufw"
    ufw_marks "$1" iptables ufw-before-input before.rules
    ufw_marks "$1" ip6tables ufw6-before-input before6.rules
    nftables_marks "$1" "$name"
    [ -e "/etc/systemd/system/$name-ports.service" ] && echo "touched $1 nftables"
}
for role in "$@"; do
    look_for "$role"
done
exit 0
