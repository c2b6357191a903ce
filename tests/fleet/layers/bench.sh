# shellcheck shell=sh
# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What benchmarks/balancer.py needs: HAProxy, Ansible to render its configuration with, and a compiler for the two ends.
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y --no-install-recommends python3-venv haproxy gcc libc6-dev libssl-dev openssl
python3 -m venv /opt/tests
/opt/tests/bin/pip install --quiet --require-hashes -r /requirements/uv.txt
/opt/tests/bin/uv pip install --quiet --python /opt/tests --require-hashes -r /requirements/run.txt
