# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The templates of haproxy_lb, rendered the way the role does."""

from __future__ import annotations

import os
import shlex
import subprocess

import yaml
from ansible.template import Templar, trust_as_template
from ansible_collections.webcallserver.balancer.plugins.plugin_utils.options import cast
from ansible_collections.webcallserver.balancer.tests.support.paths import ROLES
from ansible_collections.webcallserver.balancer.tests.support.roles import LOADER, variables_of

ROLE = ROLES / "haproxy_lb"
SPECS = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]["main"]["options"]

# Another release: HAPROXY="chroot /path haproxy", with pytest's --basetemp at the same path inside and outside
HAPROXY = shlex.split(os.environ.get("HAPROXY", "haproxy"))

INVENTORY = {
    "wcs1": {"wcs_node_address": "192.0.2.11"},
    "wcs2": {"wcs_node_address": "192.0.2.12"},
}


def run(*arguments):
    return subprocess.run([*HAPROXY, *arguments], capture_output=True, text=True, check=False)


def make_templar(etc, installed):
    """Return a function that makes Ansible's own templating over the role's variables and those of the test.

    The files of HAProxy are below etc, and installed is what it says of itself.
    """

    def templar(hosts=None, **variables):
        hosts = INVENTORY if hosts is None else hosts
        everything = variables_of("haproxy_lb")
        everything |= {
            "ansible_managed": "Ansible managed",
            "groups": {"wcs_nodes": list(hosts), "origins": ["origin1"], "edges": ["edge1", "edge2"], "empty": []},
            "hostvars": hosts,
            "inventory_hostname": "lb1",
            "haproxy_lb_domain": "wcs.example.com",
            "haproxy_lb_certificate": "wcs.example.com.crt",
            "haproxy_lb_chain": "ca.crt",
            "haproxy_lb_private_key": "wcs.example.com.key",
            "__haproxy_lb_dir": str(etc),
            "__haproxy_lb_state_file": str(etc / "server-state"),
            "__haproxy_lb_socket": str(etc / "admin.sock"),
            "__haproxy_lb_version": {"stdout": installed},
        }
        everything |= variables
        names = {name: everything[name] for name in SPECS if name in everything}
        options = cast(SPECS, Templar(loader=LOADER, variables=everything).template(names))
        seen = {"programs": {"balancer": {"stdout": ""}}, "haproxy": {}, "configuration": {}}
        seen["options"] = {name.removeprefix("haproxy_lb_"): value for name, value in options.items()}
        everything["__haproxy_lb_seen"] = seen
        seen["plan"] = Templar(loader=LOADER, variables=everything).template(trust_as_template("{{ __haproxy_lb_plan_now }}"))
        return Templar(loader=LOADER, variables=everything)

    return templar
