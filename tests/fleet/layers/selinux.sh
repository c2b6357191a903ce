# shellcheck shell=sh
# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A server with a kernel of its own, and SELinux in it: tests/fleet/machine makes its disk of this.
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
# aiohttp is for the stand-in for WCS
apt-get install -q -y --no-install-recommends "linux-image-cloud-$(dpkg --print-architecture)" initramfs-tools zstd python3-aiohttp \
    selinux-policy-default selinux-utils policycoreutils auditd
sed -i 's/^SELINUX=.*/SELINUX=enforcing/; s/^SELINUXTYPE=.*/SELINUXTYPE=default/' /etc/selinux/config

# Debian's policy does not confine HAProxy. This does as the RedHat family's does, for ports alone: it binds and connects to
# those of the types http_port_t and http_cache_port_t, and to no other. What else it wants is allowed.
cat >/root/haproxy.cil <<'END'
(type haproxy_t)
(type haproxy_exec_t)
(roletype system_r haproxy_t)
(roletype object_r haproxy_exec_t)
(typeattributeset domain (haproxy_t))
(typeattributeset file_type (haproxy_exec_t))
(typeattributeset exec_type (haproxy_exec_t))
(filecon "/usr/sbin/haproxy" file (system_u object_r haproxy_exec_t ((s0) (s0))))

(typetransition init_t haproxy_exec_t process haproxy_t)
(allow init_t haproxy_exec_t (file (read open getattr map execute)))
(allow init_t haproxy_t (process (all)))
(allow haproxy_t haproxy_exec_t (file (entrypoint)))

(allow haproxy_t file_type (file (all)))
(allow haproxy_t file_type (dir (all)))
(allow haproxy_t file_type (lnk_file (all)))
(allow haproxy_t file_type (sock_file (all)))
(allow haproxy_t device_node (chr_file (all)))
(allow haproxy_t filesystem_type (dir (all)))
(allow haproxy_t filesystem_type (file (all)))
(allow haproxy_t domain (fd (use)))
(allow haproxy_t domain (fifo_file (all)))
(allow haproxy_t domain (unix_dgram_socket (sendto)))
(allow haproxy_t domain (unix_stream_socket (all)))
(allow domain haproxy_t (unix_stream_socket (all)))
(allow haproxy_t self (process (all)))
(allow haproxy_t self (capability (all)))
(allow haproxy_t self (unix_dgram_socket (all)))
(allow haproxy_t self (udp_socket (all)))
(allow haproxy_t self (netlink_route_socket (all)))
(allow haproxy_t self (tcp_socket (all)))
(allow haproxy_t node_type (tcp_socket (node_bind)))
(allow haproxy_t http_port_t (tcp_socket (name_bind name_connect)))
(allow haproxy_t http_cache_port_t (tcp_socket (name_bind name_connect)))
END
semodule --noreload --install /root/haproxy.cil

systemctl enable systemd-networkd
systemctl unmask systemd-modules-load.service
# As on a fresh server: what packages there are is not known yet.
apt-get clean
rm -rf /var/lib/apt/lists/*
