# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that was stopped anywhere is completed by the next one: files, memory, kernel and served certificate agree with the variables."""

from __future__ import annotations

import hashlib
import http.client
import io
import itertools
import json
import os
import random
import signal
import socket
import ssl
import subprocess
import tarfile
import threading
import time

import pytest
import yaml
from ansible_collections.webcallserver.balancer.tests.support.fleet import recap
from ansible_collections.webcallserver.balancer.tests.support.paths import CHECKOUT

SITE = "webcallserver.balancer.site"
NODES = ("wcs1", "wcs2")
POWER_CUTS = 10
# The how-many-eth interruptions to try; all when empty
STOPS = [int(word) for word in os.environ.get("INTERRUPTIONS", "").split()]


class Wish:
    """Variables for everything that a run can change at once, and how each of them is seen from outside."""

    def __init__(self, fleet, directory, number):
        self.fleet, self.number = fleet, number
        self.directory = directory / str(number)
        self.directory.mkdir()
        self._certify()
        self.archive = self._archive()
        self.media_to = 31900 + 50 * number
        self.variables = {
            "haproxy_lb_certificate": str(self.directory / "leaf.pem"),
            "haproxy_lb_private_key": str(self.directory / "leaf.key"),
            "haproxy_lb_hsts_max_age": 1000 + number,
            "haproxy_lb_maxconn": 400 + number,
            "wcs_node_properties": {"media_port_to": self.media_to},
            "wcs_node_ports_from": {"rtmp": [f"192.0.2.{number}"]},
            "wcs_node_agent_limits": {"publishers": 50 + number, "subscribers": 100},
            "websdk_nginx_headers": {"X-Wish": f"number {number}"},
            "websdk_nginx_bundle": str(self.archive),
            "websdk_nginx_bundle_sha256": hashlib.sha256(self.archive.read_bytes()).hexdigest(),
        }
        self.log = self.directory / "killed.log"
        self.log.touch()
        self.file = self.directory / "variables.yml"
        self.file.write_text(yaml.safe_dump(self.variables))

    def _certify(self):
        authority, place = self.fleet.directory / "certificate", self.directory
        request = ["openssl", "req", "-new", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-subj", f"/CN={self.fleet.domain}"]
        request += ["-addext", f"subjectAltName=DNS:{self.fleet.domain}", "-addext", "keyUsage=critical,digitalSignature"]
        request += ["-addext", "extendedKeyUsage=serverAuth", "-keyout", place / "leaf.key", "-out", place / "csr.pem"]
        sign = ["openssl", "x509", "-req", "-in", place / "csr.pem", "-copy_extensions", "copy", "-days", "90", "-set_serial", str(5000 + self.number)]
        sign += ["-CA", authority / "intermediate.pem", "-CAkey", authority / "intermediate.key", "-out", place / "leaf.pem"]
        for command in (request, sign):
            subprocess.run(command, check=True, capture_output=True)

    def _archive(self):
        """The WebSDK with a file that says whose wish it is."""
        source = next((CHECKOUT / ".cache" / "websdk").glob("*.tgz"))
        target = self.directory / "websdk.tar.gz"
        with tarfile.open(source) as old, tarfile.open(target, "w:gz", compresslevel=1) as new:
            for member in old:
                new.addfile(member, old.extractfile(member) if member.isfile() else None)
            mark = tarfile.TarInfo("package/wish.txt")
            mark.size = len(str(self.number))
            new.addfile(mark, io.BytesIO(str(self.number).encode()))
        return target

    # ---- what is seen, none of it from the collection's own word ----

    def differences(self):
        """Return where files, memory, kernel or the served certificate are not as wished for."""
        seen = {"served certificate": self._served(), **self._page(), **self._limits()}
        wished = {
            "served certificate": hashlib.sha256(ssl.PEM_cert_to_DER_cert((self.directory / "leaf.pem").read_text())).hexdigest(),
            "Strict-Transport-Security": f"max-age={1000 + self.number}",
            "X-Wish": f"number {self.number}",
            "wish.txt": str(self.number),
            "maxconn": {str(400 + self.number)},
        }
        for node in NODES:
            wished |= {f"{node} media ports": (self.media_to - 31000) // 2 - 1, f"{node} publishers": 50 + self.number, f"{node} kernel": True}
            seen |= self._node(node)
        return {what: (seen[what], wish) for what, wish in wished.items() if seen[what] != wish}

    def _served(self):
        context = self.fleet.context()
        with socket.create_connection((self.fleet.address("lb1"), 443), timeout=10) as raw, context.wrap_socket(raw, server_hostname=self.fleet.domain) as tls:
            return hashlib.sha256(tls.getpeercert(binary_form=True)).hexdigest()

    def _page(self):
        connection = http.client.HTTPSConnection(self.fleet.domain, context=self.fleet.context(), timeout=10)
        raw = socket.create_connection((self.fleet.address("lb1"), 443), timeout=10)
        connection.sock = self.fleet.context().wrap_socket(raw, server_hostname=self.fleet.domain)
        connection.request("GET", "/wcs/wish.txt")
        answer = connection.getresponse()
        seen = {name: answer.getheader(name) for name in ("Strict-Transport-Security", "X-Wish")}
        seen["wish.txt"] = answer.read(100).decode()
        connection.close()
        return seen

    def _limits(self):
        return {"maxconn": {row["slim"] for row in self.fleet.servers().values()}}

    def _node(self, node):
        statistics = self.fleet.statistics(node)
        ports = sum(int(statistics[f"ports_media_{state}"]) for state in ("free", "busy", "quarantine"))
        agent = json.loads(self.fleet.run(node, "wcs-agent status --json"))
        kernel = self.fleet.run(node, "nft list table inet wcs_node")
        return {
            f"{node} media ports": ports,
            f"{node} publishers": agent["limits"]["publishers"]["limit"],
            f"{node} kernel": f"192.0.2.{self.number}" in kernel and f"31001-{self.media_to}" in kernel,
        }


class Operator:
    """Who runs the playbook, and is stopped."""

    def __init__(self, fleet, directory):
        self.fleet = fleet
        self.wishes = [Wish(fleet, directory, number) for number in range(2)]
        self.turn = 0

    def another(self):
        self.turn += 1
        return self.wishes[self.turn % 2]

    def run(self, wish, *arguments):
        return self.fleet.play(SITE, f"--extra-vars=@{wish.file}", *arguments)

    def killed(self, wish, changes):
        """Run, and be killed after so many changes; return whether there were so many."""
        environment = {
            "ANSIBLE_CALLBACK_PLUGINS": str(CHECKOUT / "molecule" / "interrupted" / "callback"),
            "ANSIBLE_CALLBACKS_ENABLED": "stop_after",
            "STOP_AFTER": str(changes),
        }
        inventories = [*self.fleet.inventories, self.fleet.directory / "hosts.yml"]
        command = ["ansible-playbook", *(f"--inventory={path}" for path in inventories), SITE, f"--extra-vars=@{wish.file}"]
        with wish.log.open("w") as log:
            done = subprocess.run(
                command, env=os.environ | environment, cwd=CHECKOUT, stdout=log, stderr=subprocess.STDOUT, start_new_session=True, check=False
            )
        if done.returncode != -signal.SIGKILL:
            assert done.returncode == 0, wish.log.read_text()
        return done.returncode == -signal.SIGKILL

    def completes(self, wish, when):
        done = self.run(wish)
        assert done.returncode == 0, f"{when}: {done.stdout}"
        differences = wish.differences()
        assert differences == {}, f"{when}: {differences}\n{wish.log.read_text()}{done.stdout}"
        done = self.run(wish, "--check")
        assert {host: counts["changed"] for host, counts in recap(done.stdout).items() if counts["changed"]} == {}, f"{when}: {done.stdout}"


@pytest.fixture(scope="module")
def operator(fleet, tmp_path_factory):
    operator = Operator(fleet, tmp_path_factory.mktemp("wishes"))
    operator.completes(operator.wishes[0], "at first")
    return operator


def test_a_run_killed_after_any_change_is_completed_by_the_next(operator):
    for changes in STOPS or itertools.count(1):
        wish = operator.another()
        begin = time.monotonic()
        if not operator.killed(wish, changes):
            break
        before = wish.differences()
        operator.completes(wish, f"killed after change {changes}")
        print(f"killed after change {changes}: {len(before)} differences then, none now, {time.monotonic() - begin:.0f} s", flush=True)
    assert STOPS or changes > 15, "so few changes are not what the wishes ask for"


@pytest.mark.parametrize("host", ["lb1", *NODES])
def test_a_power_cut_at_any_moment_is_made_good_by_the_next_run(operator, host):
    """As far as a container can show it: its processes are killed at once, but what they wrote is not lost from a cache."""
    podman = CHECKOUT / "tests" / "fleet" / "podman"
    moments = random.Random(host)
    begin = time.monotonic()
    done = operator.run(operator.another())
    duration = time.monotonic() - begin
    assert done.returncode == 0, done.stdout
    for _number in range(int(os.environ.get("POWER_CUTS", POWER_CUTS))):
        wish, moment = operator.another(), moments.uniform(0.1, 0.9) * duration
        run = threading.Thread(target=operator.run, args=(wish,))
        run.start()
        time.sleep(moment)
        container = operator.fleet.hosts[host]["fleet_container"]
        for action in (["kill"], ["start"]):
            subprocess.run([podman, *action, container], check=True, capture_output=True)
        run.join()
        operator.fleet.eventually(lambda: booted(operator.fleet, host), 60)
        operator.completes(wish, f"{host} without power after {moment:.1f} s")
        print(f"{host} without power after {moment:.1f} of {duration:.0f} s", flush=True)


def booted(fleet, host):
    command = fleet.host(host).run("systemctl is-system-running")
    return command.stdout.strip() in ("running", "degraded")
