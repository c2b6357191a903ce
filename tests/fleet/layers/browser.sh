# shellcheck shell=sh
# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A browser with what it takes to be driven from outside and to trust an authority.
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y --no-install-recommends chromium libnss3-tools socat fonts-dejavu-core
apt-get clean
rm -rf /var/lib/apt/lists/*
