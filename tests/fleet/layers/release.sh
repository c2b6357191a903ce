# shellcheck shell=sh
# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What the roles install on a host of the release and what runs there, for tests/fleet/released: the programs that the tests
# meet in place of the workbench's own.
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y --no-install-recommends haproxy openssl python3-cryptography python3-idna python3-psutil
