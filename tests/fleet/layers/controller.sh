# shellcheck shell=sh
# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A controller with the newest ansible-core and Python that the collection supports. The collections that ours depends on
# come from the machine.
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y --no-install-recommends python3-venv openssh-client git shellcheck
python3 -m venv /opt/ansible
/opt/ansible/bin/pip install --quiet -r /requirements/controller.txt
