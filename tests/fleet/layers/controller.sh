# shellcheck shell=sh
# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Controllers with the newer versions of ansible-core that the collection supports, which want a newer Python than the machine
# may have. The collections that ours depends on come from the machine.
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y --no-install-recommends python3-venv openssh-client git shellcheck openssl haproxy
python3 -m venv /opt/uv
/opt/uv/bin/pip install --quiet --require-hashes -r /requirements/uv.txt
python3 -m venv /opt/ansible-2.21
python3 -m venv /opt/ansible-2.22
/opt/uv/bin/uv pip install --quiet --python /opt/ansible-2.21 --require-hashes -r /requirements/controller-2.21.txt
/opt/uv/bin/uv pip install --quiet --python /opt/ansible-2.22 --require-hashes -r /requirements/controller-2.22.txt
