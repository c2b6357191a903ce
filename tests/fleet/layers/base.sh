# shellcheck shell=sh
# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A bare server as its owner gets it: systemd, SSH, Python, and a user who may sudo. Nothing that a role installs.
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y --no-install-recommends \
    systemd systemd-sysv dbus openssh-server sudo python3 python3-apt iproute2 procps ca-certificates
useradd --create-home --shell /bin/bash admin
echo 'admin ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/admin
# Cannot work in a container, and leaves Debian 13 degraded.
systemctl mask systemd-modules-load.service
# As on a fresh server: what packages there are is not known yet.
apt-get clean
rm -rf /var/lib/apt/lists/*
