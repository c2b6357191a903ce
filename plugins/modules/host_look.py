#!/usr/bin/python
# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_look
short_description: Look at everything that a role has to know of a host, in one go
version_added: 1.0.0
author:
  - webcallserver.balancer contributors (@webcallserver)
description:
  - For the roles of this collection alone; there is no promise of stability to anybody else.
  - Gathers what is there and what is in force, each under the name of the option that asks for it. What should be there is decided on the controller.
  - What cannot be looked at has RV(ignore:msg) in the place of an answer.
extends_documentation_fragment:
  - webcallserver.balancer._attributes.info
options:
  facts:
    description: Subsets of Ansible's facts, as M(ansible.builtin.setup) knows them.
    type: list
    elements: str
    default: []
  files:
    description: Paths of files and directories.
    type: list
    elements: str
    default: []
  labels:
    description: Those of O(files) that are to have the label that SELinux's rules give them.
    type: list
    elements: str
    default: []
  packages:
    description: Packages by name, and of a family that knows it with a version, such as C(haproxy=3.2.*).
    type: list
    elements: str
    default: []
  users:
    description: Names of users.
    type: list
    elements: str
    default: []
  programs:
    description: Programs to run, by the name of the answer, each with C(argv) and maybe C(stdin). Without one that C(must) end well, there is no look.
    type: dict
    default: {}
  services:
    description: Services and the files that they should run on, by the name of the answer, each with the options of M(webcallserver.balancer.service_in_force).
    type: dict
    default: {}
  haproxy:
    description: C(config), C(record), C(names) and C(timer) as for M(webcallserver.balancer.haproxy_in_force).
    type: dict
  configuration:
    description: The C(path) of HAProxy's configuration, and the C(package) that brought it.
    type: dict
  sections:
    description: Sections that the configuration is to have besides those of the role.
    type: str
    default: ""
  bundles:
    description: The C(path) and the C(names) of bundles, as for M(webcallserver.balancer.haproxy_bundles).
    type: dict
  wcs:
    description: The C(home) and the C(service) of Web Call Server, and C(now), the controller's clock in seconds since 1970.
    type: dict
  properties:
    description: C(path), C(service) and C(started_on) as for M(webcallserver.balancer.flashphoner_properties).
    type: dict
  wanted:
    description: What the properties should be.
    type: dict
    default: {}
  site:
    description: C(path), C(release), C(sha256) and C(keep) as for M(webcallserver.balancer.websdk_release).
    type: dict
"""

EXAMPLES = r"""
- name: Look at the host
  webcallserver.balancer.host_look:
    files: [/etc/haproxy/haproxy.cfg]
    packages: [haproxy]
    programs:
      release: {argv: [haproxy, -v]}
  register: look
"""

RETURN = r"""
files:
  description: C(kind) (C(file), C(directory), C(link), C(other) or C(absent)), C(mode), C(owner), C(group), C(sha256), C(target) and C(mislabelled), by path.
  type: dict
  returned: success
packages:
  description: Those that are not installed, or not in that version.
  type: list
  elements: str
  returned: success
users:
  description: C(home) and C(shell) of those that there are.
  type: dict
  returned: success
programs:
  description: C(rc), C(stdout) and C(stdout_lines) of each.
  type: dict
  returned: success
services:
  description: What M(webcallserver.balancer.service_in_force) returns of each, and C(arguments), those that its main process was started with.
  type: dict
  returned: success
haproxy:
  description: What M(webcallserver.balancer.haproxy_in_force) returns.
  type: dict
  returned: success
configuration:
  description: C(keep), whether somebody wrote or changed it by hand, and C(sections), those of it that would be gone.
  type: dict
  returned: success
bundles:
  description: C(noted), whether the account of bundles has these, and C(stale), files that are there and not used any more.
  type: dict
  returned: success
wcs:
  description:
    - C(root) (whether the task runs as root), C(units) (what systemd says of those of WCS, the agent and xinetd), C(version) of WCS and a C(java) to run it
      with, C(free) (megabytes where it is), C(addresses), C(ipv6), C(ahead) (seconds for which the host's clock is ahead), C(descriptors) that WCS may have,
      C(prefers_ipv4) (whether its Java listens on IPv4 alone), C(remains) (files of the how-to's agent that nothing uses any more) and C(unreadable)
      (a sentence for each file that was not read because it is none).
  type: dict
  returned: success
properties:
  description: What M(webcallserver.balancer.flashphoner_properties) returns in check mode.
  type: dict
  returned: success
site:
  description: C(due), why the release has to be brought or switched to, empty when it is served.
  type: dict
  returned: success
"""

import fnmatch
import pwd
import re
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.facts.compat import ansible_facts

from ..module_utils import _haproxy_bundles, _haproxy_look, _release, _wcs_host, _wcs_properties
from ..module_utils._files import mislabelled, state
from ..module_utils._io import FileError
from ..module_utils._properties import PropertiesError, hidden
from ..module_utils._services import service

FAILURES = (FileError, PropertiesError, _release.ReleaseError, OSError)
Asked = t.Mapping[str, t.Any]
# A package, maybe of a suite or in a version, as apt has them
PACKAGE = re.compile(r"([^=<>/\s]+)(?:/[^=<>/\s]+)?(?:(>?=)(.+))?")


def facts(module: AnsibleModule, subsets: list[str]) -> dict[str, t.Any]:
    """Return Ansible's facts under the names that setup gives them."""
    return {f"ansible_{name}": value for name, value in ansible_facts(module, ["!all", "!min", *subsets]).items()}


def files(module: AnsibleModule, paths: list[str], labels: list[str]) -> dict[str, t.Any]:
    """Return what lies at each path."""
    found = {path: state(path) for path in paths}
    for path in labels:
        if found.get(path, {}).get("kind") not in (None, "absent"):
            found[path]["mislabelled"] = mislabelled(module, path)
    return found


def installed(module: AnsibleModule, name: str) -> bool:
    """Whether a package is installed; of what only the package manager itself understands, that it is not."""
    match = PACKAGE.fullmatch(name)
    query = module.get_bin_path("dpkg-query")
    if query and match:
        plain, sign, version = match.groups()
        dummy, output, dummy = module.run_command([query, "--show", "--showformat=${db:Status-Status} ${Version}\n", "--", plain])
        versions = [line.partition(" ")[2] for line in output.split("\n") if line.startswith("installed ")]
        if any(suits(module, found, sign, version) for found in versions):
            return True
    query = module.get_bin_path("rpm")
    return bool(query) and (
        module.run_command([query, "--query", "--whatprovides", "--", name])[0] == 0 or bool(module.run_command([query, "--query", "--all", "--", name])[1])
    )


def suits(module: AnsibleModule, found: str, sign: str | None, version: str | None) -> bool:
    """Whether a version is the one that was asked for, as apt understands that."""
    if sign == ">=":
        return bool(module.run_command(["dpkg", "--compare-versions", found, "ge", version])[0] == 0)
    return fnmatch.fnmatch(found, version or "*")


def users(names: list[str]) -> dict[str, t.Any]:
    """Return home and shell of the users that there are."""
    known = {user.pw_name: user for user in pwd.getpwall() if user.pw_name in names}
    return {name: {"home": user.pw_dir, "shell": user.pw_shell} for name, user in known.items()}


def program(module: AnsibleModule, asked: Asked) -> dict[str, t.Any]:
    """Run a program; one that is not there has the return code that a shell gives it."""
    path = module.get_bin_path(asked["argv"][0])
    if not path:
        return {"rc": 127, "stdout": "", "stdout_lines": []}
    code, output, error = module.run_command([path, *asked["argv"][1:]], data=asked.get("stdin"), binary_data=True)
    if code and asked.get("must"):
        # Half an answer would be taken for a whole one
        module.fail_json(msg=f"A look at this host has failed ({' '.join(asked['argv'])} ended with {code}): {error.strip() or 'it said nothing'}")
    return {"rc": code, "stdout": output, "stdout_lines": output.split("\n")}


def one_service(module: AnsibleModule, asked: Asked) -> dict[str, t.Any]:
    """Return what a service runs on, and how it was started."""
    found = service(module, asked["unit"], asked["record"], asked.get("files"))
    try:
        with open(f"/proc/{found['pid']}/cmdline", encoding="utf-8", errors="replace") as stream:
            arguments = stream.read(65536).split("\0")
    except OSError:
        arguments = []
    return {**found, "arguments": [word for word in arguments if word]}


def configuration(module: AnsibleModule, asked: Asked) -> dict[str, t.Any]:
    return _haproxy_look.whose(module, asked["path"], asked["package"], module.params["sections"])


def bundles(_module: AnsibleModule, asked: Asked) -> dict[str, t.Any]:
    noted, stale = _haproxy_bundles.account(asked["path"], asked["names"])
    return {"noted": noted >= set(asked["names"]), "stale": stale}


def haproxy(module: AnsibleModule, asked: Asked) -> dict[str, t.Any]:
    return _haproxy_look.in_force(module, asked["config"], asked["record"], asked["names"], asked["timer"])


def wcs(module: AnsibleModule, asked: Asked) -> dict[str, t.Any]:
    return _wcs_host.look(module, asked["home"], asked["service"], int(asked["now"]))


def properties(module: AnsibleModule, asked: Asked) -> dict[str, t.Any]:
    try:
        return _wcs_properties.foretell(module, asked["path"], module.params["wanted"], asked["service"], asked["started_on"])
    except PropertiesError as problem:
        raise FileError(f"{asked['path']}: {problem}") from None


def site(_module: AnsibleModule, asked: Asked) -> dict[str, t.Any]:
    return {"due": _release.due(asked["path"], asked["release"], asked["sha256"], int(asked["keep"]))}


# The questions that one mapping asks
QUESTIONS: dict[str, t.Callable[[AnsibleModule, Asked], dict[str, t.Any]]] = {
    "haproxy": haproxy,
    "configuration": configuration,
    "bundles": bundles,
    "wcs": wcs,
    "properties": properties,
    "site": site,
}


def answer(question: t.Callable[[AnsibleModule, Asked], dict[str, t.Any]], module: AnsibleModule, asked: Asked) -> dict[str, t.Any]:
    """Return the answer, or a sentence in its place."""
    try:
        return question(module, asked)
    except FAILURES as problem:
        return {"msg": str(problem)}


def main() -> None:
    lists = {name: {"type": "list", "elements": "str", "default": []} for name in ("facts", "files", "labels", "packages", "users")}
    mappings: dict[str, t.Any] = {name: {"type": "dict", "default": {}} for name in ("programs", "services")}
    questions = {name: {"type": "dict"} for name in QUESTIONS}
    # They may have a password in them, and what is within an option is not kept out of the system log of the host
    secrets = {"wanted": {"type": "dict", "default": {}, "no_log": True}, "sections": {"type": "str", "default": "", "no_log": True}}
    module = AnsibleModule(argument_spec={**lists, **mappings, **questions, **secrets}, supports_check_mode=True)
    asked = dict(module.params)
    # Next, no_log would censor every "true" and "8080" in the results; those that look secret are masked where they are returned
    module.no_log_values.clear()
    found: dict[str, t.Any] = {
        "files": files(module, asked["files"], asked["labels"]),
        "packages": [name for name in asked["packages"] if not installed(module, name)],
        "users": users(asked["users"]),
        "programs": {name: program(module, each) for name, each in asked["programs"].items()},
        "services": {name: answer(one_service, module, each) for name, each in asked["services"].items()},
    }
    found |= {name: answer(question, module, asked[name]) for name, question in QUESTIONS.items() if asked[name] is not None}
    # What was asked comes back with the answers
    module.params.update(programs=sorted(asked["programs"]), sections=None, wanted=hidden(asked["wanted"]))
    if asked["facts"]:
        found["ansible_facts"] = facts(module, asked["facts"])
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
