# shellcheck shell=sh
# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What the tests without a fleet run in, so that no haproxy and no nginx has to be installed on the machine.
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y --no-install-recommends \
    python3-venv git openssl haproxy nginx default-jdk-headless xinetd curl
python3 -m venv /opt/tests
/opt/tests/bin/pip install --quiet --require-hashes -r /requirements/uv.txt
/opt/tests/bin/uv pip install --quiet --python /opt/tests --require-hashes -r /requirements/test.txt
