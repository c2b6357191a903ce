# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Render the role's templates the way the role does, and give the result to the real haproxy."""

from __future__ import annotations

import base64
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.webcallserver.balancer.plugins.plugin_utils.options import cast

ROLE = Path(__file__).resolve().parents[4] / "roles" / "haproxy_lb"
SPECS = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]["main"]["options"]

# Another release: HAPROXY="chroot /path haproxy", with pytest's --basetemp at the same path inside and outside
HAPROXY = shlex.split(os.environ.get("HAPROXY", "haproxy"))

INVENTORY = {
    "wcs1": {"wcs_node_address": "192.0.2.11"},
    "wcs2": {"wcs_node_address": "192.0.2.12"},
}


def run(*arguments):
    return subprocess.run([*HAPROXY, *arguments], capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def installed():
    """What the haproxy at hand says of itself."""
    return run("-v").stdout


@pytest.fixture(scope="session")
def etc(tmp_path_factory):
    """A directory in place of /etc/haproxy, with a bundle of the test's own."""
    directory = tmp_path_factory.mktemp("etc")
    (directory / "certs").mkdir()
    for name, kind in (("wcs.example.com", ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]), ("rsa", ["rsa:2048"])):
        key, certificate = directory / "key.pem", directory / "cert.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", *kind, "-nodes", "-days", "30", "-subj", f"/CN={name}"]
            + ["-addext", "subjectAltName=DNS:wcs.example.com", "-keyout", key, "-out", certificate],
            capture_output=True,
            check=True,
        )
        (directory / "certs" / f"{name}.pem").write_text(certificate.read_text() + key.read_text())
    (directory / "server-state").write_text("1\n")
    (directory / "ticket-keys").write_text("".join(base64.b64encode(bytes([number]) * 80).decode() + "\n" for number in range(3)))
    (directory / "ticket-keys").chmod(0o600)
    return directory


@pytest.fixture(scope="session")
def templar(etc, installed):
    """Ansible's own templating over the role's variables and those of the test."""
    loader = DataLoader()

    def load(name):
        return loader.load_from_file(str(ROLE / name), cache="none", trusted_as_template=True)

    def templar(hosts=None, **variables):
        hosts = INVENTORY if hosts is None else hosts
        everything = load("defaults/main.yml") | load("vars/main.yml")
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
        options = cast(SPECS, Templar(loader=loader, variables=everything).template(names))
        seen = {"programs": {"balancer": {"stdout": ""}}, "haproxy": {}, "configuration": {}}
        seen["options"] = {name.removeprefix("haproxy_lb_"): value for name, value in options.items()}
        everything["__haproxy_lb_seen"] = seen
        seen["plan"] = Templar(loader=loader, variables=everything).template(trust_as_template("{{ __haproxy_lb_plan_now }}"))
        return Templar(loader=loader, variables=everything)

    return templar


@pytest.fixture(scope="session")
def render(templar):
    """Render one template of the role."""

    def render(template, **variables):
        source = (ROLE / "templates" / template).read_text(encoding="utf-8")
        return templar(**variables).template(trust_as_template(source))

    return render


@pytest.fixture(scope="session")
def value_of(templar):
    """Tell the value of one variable of the role."""
    return lambda name, **variables: templar(**variables).template(trust_as_template("{{ %s }}" % name))


@pytest.fixture(scope="session")
def config_at(render):
    """Write haproxy.cfg so that it also runs for a user who is not root."""

    def config_at(path, **variables):
        text = render("haproxy.cfg.j2", **variables)
        text = re.sub(r"(?m)^    (chroot|user|group) .*\n", "", text).replace(" user root group haproxy", "")
        path.write_text(text, encoding="utf-8")
        return path

    return config_at


@pytest.fixture(scope="session")
def install(etc, config_at):
    """Install what a balancer runs on, in a directory that stands for /etc/haproxy and /run/haproxy."""

    def install(directory, **variables):
        variables["__haproxy_lb_certs"] = str(etc / "certs")
        variables["__haproxy_lb_dir"] = str(directory)
        variables |= {"__haproxy_lb_socket": str(directory / "admin.sock"), "__haproxy_lb_state_file": str(directory / "server-state")}
        if not (directory / "ticket-keys").exists():
            shutil.copy(etc / "ticket-keys", directory)
        config_at(directory / "haproxy.cfg", **variables)

    return install


@pytest.fixture
def config(config_at, tmp_path):
    """The same in a place of its own."""
    return lambda **variables: config_at(tmp_path / "haproxy.cfg", **variables)
