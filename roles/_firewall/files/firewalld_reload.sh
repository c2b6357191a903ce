# shellcheck shell=sh
# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# usage: sh -s
#
# Bring what is saved into force. Over a kernel that somebody has emptied a reload stumbles, and a start does not.
PATH=$PATH:/usr/sbin:/sbin
firewall-cmd --reload || systemctl restart firewalld
