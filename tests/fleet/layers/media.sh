# shellcheck shell=sh
# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A node on which the stand-in carries media, where the release has what that takes (Debian 11 has not).
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
{
    echo python3-aiohttp
    apt-cache pkgnames python3-aiortc
} | xargs apt-get install -q -y --no-install-recommends
# As on a fresh server: what packages there are is not known yet.
apt-get clean
rm -rf /var/lib/apt/lists/*
