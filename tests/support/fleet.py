# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet as the tests see it: its hosts, what runs on them, and Ansible over them."""

from __future__ import annotations

import json
import os
import shlex
import ssl
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import testinfra
import yaml
from ansible_collections.webcallserver.balancer.tests.support.haproxy import servers_of
from ansible_collections.webcallserver.balancer.tests.support.paths import CHECKOUT
from ansible_collections.webcallserver.balancer.tests.support.waiting import until

# Below the bound of a test, so that the playbook is what is named
PLAY_SECONDS = 840


class Outcome(NamedTuple):
    """What a run came to on a host: the tasks that changed something, and what the ones that failed said."""

    changed: list[str]
    failed: str


class Fleet:
    """The hosts of one scenario: where they are, what runs on them, and Ansible over them."""

    def __init__(self, name):
        self.name = name
        self.directory = CHECKOUT / ".cache" / "fleet" / name
        inventory = yaml.safe_load((self.directory / "hosts.yml").read_text())["all"]
        self.hosts = inventory["hosts"]
        self.network = inventory["vars"]["fleet_network"]
        self.domain = "balancer.example.com"
        self.ca_file = self.directory / "certificate" / "root.pem"

    def host(self, name):
        """Return testinfra's host, as root."""
        return testinfra.get_host(
            f"ssh://admin@{self.address(name)}",
            sudo=True,
            ssh_identity_file=str(self.directory / "id_ed25519"),
            ssh_extra_args=f"-o UserKnownHostsFile={self.directory}/known_hosts -o ServerAliveInterval=15 -o ServerAliveCountMax=8",
        )

    def address(self, name):
        return self.hosts[name]["ansible_host"]

    def run(self, name, command):
        """Run a command on a host as root and return what it printed."""
        return self.host(name).check_output(command)

    def python(self, name, code):
        """Run a line of Python on a host and return what it printed."""
        return self.run(name, f"python3 -c {shlex.quote(code)}")

    def context(self):
        """Return a TLS context that trusts the fleet's authority alone."""
        return ssl.create_default_context(cafile=str(self.ca_file))

    def servers(self, balancer="lb1", backend="wcs_back"):
        """Return HAProxy's C(show stat) of the servers of a backend by name."""
        code = "import socket as s; c = s.socket(s.AF_UNIX); c.connect('/run/haproxy/admin.sock'); c.send(b'show stat\\n'); print(c.makefile().read())"
        return servers_of(self.python(balancer, code), backend)

    def each(self, names, check):
        """Hold a check against several hosts at once, since most of it is waiting; fail with what each said that did not pass it."""
        with ThreadPoolExecutor(len(names)) as pool:
            ended = dict(zip(names, [pool.submit(check, name) for name in names]))
        failures = {name: one.exception() for name, one in ended.items() if one.exception()}
        assert not failures, "; ".join(f"{name}: {failure!r}" for name, failure in failures.items())

    def all_empty(self, balancer="lb1", backend="wcs_back"):
        """Wait until every server of a backend is up and has the weight of a node without sessions."""
        self.eventually(lambda: {(row["status"], row["weight"]) for row in self.servers(balancer, backend).values()} == {("UP", "100")}, 30)

    def eventually(self, condition, seconds):
        """Wait until a condition holds, and fail when it does not in time."""
        until(condition, seconds, pause=0.2)

    def statistics(self, node):
        """Return the statistics page of a node by key."""
        page = self.python(node, "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8081/?action=stat').read().decode())")
        return dict(line.split("=", 1) for line in page.splitlines() if "=" in line)

    def streams(self, node):
        """Return the published streams of a node, each a mapping as WCS's REST interface has it."""
        code = (
            "import urllib.request as u, urllib.error as e\n"
            "r = u.Request('http://127.0.0.1:8081/rest-api/stream/find', b'{\"published\":true}', {'Content-Type': 'application/json'})\n"
            "try: print(u.urlopen(r).read().decode())\n"
            "except e.HTTPError as x: print('[]' if x.code == 404 else x)"
        )
        return json.loads(self.python(node, code))

    def node_of(self, stream):
        """Return the node that a stream is published on."""
        return next(node for node in self.hosts if node.startswith(("wcs", "node")) and stream in [found["name"] for found in self.streams(node)])

    @property
    def inventories(self):
        """Return the scenario's own inventory and what all fleets share."""
        return [CHECKOUT / "molecule" / name / "inventory.yml" for name in (self.name, "shared")]

    def play(self, playbook, *arguments, inventories=None, cwd=CHECKOUT, **settings):
        """Run a playbook from the installed collection over the fleet."""
        inventories = [*(inventories or self.inventories), self.directory / "hosts.yml"]
        try:
            return subprocess.run(
                ["ansible-playbook", *(f"--inventory={path}" for path in inventories), playbook, *arguments],
                env=os.environ | {"ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1"} | settings,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=PLAY_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            said = (error.stdout or b"").decode(errors="replace")
            raise AssertionError(f"{playbook} has not ended within {PLAY_SECONDS} seconds; it said last: {said[-1000:]}") from None

    def play_on(self, playbook, hosts, *arguments):
        """Run a playbook over some of the hosts, each with variables of its own, and return the outcome on each."""
        with tempfile.NamedTemporaryFile("w", prefix="hosts", suffix=".json") as inventory:
            json.dump({"all": {"hosts": hosts}}, inventory)
            inventory.flush()
            inventories = [*self.inventories, inventory.name]
            result = self.play(playbook, "--limit", ",".join(hosts), *arguments, inventories=inventories, ANSIBLE_STDOUT_CALLBACK="ansible.posix.json")
        return outcomes(result.stdout, hosts)


# How Ansible says that a task, or one turn of its loop, has failed
FAILED = ("failed", "failed_when_result", "unreachable")


def heard(output):
    """Read what Ansible said in JSON, between warnings: the name of each task with its results by host, and the statistics."""
    try:
        said, _end = json.JSONDecoder().raw_decode(output, f"\n{output}".index("\n{"))
    except ValueError:
        raise AssertionError(f"the playbook came to nothing: {output[-2000:]}") from None
    return [(task["task"]["name"].rpartition(" : ")[2], task["hosts"]) for play in said["plays"] for task in play["tasks"]], said["stats"]


def outcomes(output, hosts):
    """Return the outcome on each host of a run that spoke JSON."""
    results, counts = heard(output)
    found = {}
    for host in hosts:
        ours = [(task, on[host]) for task, on in results if host in on]
        count = counts[host]
        parts = [part for _task, result in ours for part in (result, *result.get("results", ()))]
        # A task that failed and was rescued counts for nothing, but tells what for
        failed = [str(part.get("msg")) for part in parts if any(part.get(key) for key in FAILED)]
        found[host] = Outcome([task for task, result in ours if result.get("changed")], "\n".join(failed) if count["failures"] + count["unreachable"] else "")
    return found


def recap(output):
    """Return the play recap as {host: {"ok": 1, ...}}."""
    counts = {}
    for line in output.rpartition("PLAY RECAP")[2].splitlines()[1:]:
        if " ok=" in line:
            host, dummy, pairs = line.partition(":")
            counts[host.strip()] = {key: int(value) for key, value in (pair.split("=") for pair in pairs.split())}
    return counts
