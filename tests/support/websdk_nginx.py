# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables and templates of websdk_nginx, evaluated the way the role does."""

from __future__ import annotations

import yaml
from ansible.template import Templar, trust_as_template
from ansible_collections.webcallserver.balancer.tests.support.paths import ROLES
from ansible_collections.webcallserver.balancer.tests.support.roles import LOADER, variables_of

ROLE = ROLES / "websdk_nginx"
DEFAULTS = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text(encoding="utf-8"))


def evaluate(source, file=False, look="family ipv6", **variables):
    """Evaluate a template with the role's own variables and those of the test."""
    everything = variables_of("websdk_nginx")
    everything |= {"ansible_managed": "Ansible managed", "ansible_facts": {"os_family": "Debian", "pkg_mgr": "apt", "systemd": {"version": 252}}}
    everything |= {"inventory_hostname": "web1", "groups": {}}
    everything |= variables
    # As the task reads them that comes first
    options = {name.removeprefix("websdk_nginx_"): value for name, value in everything.items() if name.startswith("websdk_nginx_")}
    everything["__websdk_nginx_seen"] = {"options": options, "programs": {"web": {"stdout_lines": look.split("\n")}}}
    # In a file a backslash is written as Jinja has it, in a variable as it is
    return Templar(loader=LOADER, variables=everything).template(trust_as_template(source), escape_backslashes=not file)
