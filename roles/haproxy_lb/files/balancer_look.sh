# shellcheck shell=sh
# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What a host says of itself before it is a balancer, KEY=VALUE a line:
#   IPv6=yes or no    whether the kernel has it        NonLocalBind=1   addresses that come later may be listened on
#   Descriptors=      file descriptors that a service of root's can have
#   Address=          one of the host's own            Nameserver=, Host=   lines of resolv.conf and hosts
PATH=$PATH:/usr/sbin:/sbin
export LC_ALL=C

[ -e /proc/net/if_inet6 ] && echo IPv6=yes || echo IPv6=no
echo "NonLocalBind=$(cat /proc/sys/net/ipv4/ip_nonlocal_bind 2>/dev/null)"
# systemd can raise a limit as far as the kernel goes, unless it runs in a container that forbids that; then this shell cannot either
most=$(cat /proc/sys/fs/nr_open)
# shellcheck disable=SC3045  # every sh of these systems has it
(ulimit -n "$most") 2>/dev/null || most=$(sed -n 's/^Max open files *[0-9]* *\([0-9]*\) .*/\1/p' /proc/1/limits 2>/dev/null)
echo "Descriptors=$most"
ip -o address show 2>/dev/null | sed -n 's/.* inet6\{0,1\} \([^/ ]*\).*/Address=\1/p'
head -c 65536 /etc/resolv.conf 2>/dev/null | sed -n 's/^nameserver[[:space:]][[:space:]]*/Nameserver=/p'
head -c 4194304 /etc/hosts 2>/dev/null | sed -n 's/^[[:space:]]*\([0-9A-Fa-f]\)/Host=\1/p'
