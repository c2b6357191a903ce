# shellcheck shell=sh
# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The release's own Python and HAProxy, for the tests of the agent.
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y --no-install-recommends haproxy xinetd python3-pytest python3-hypothesis python3-psutil
