# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Render the role's templates the way the role does, and let the real nginx serve a release with the result."""

from __future__ import annotations

import http.client
import os
import shlex
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.webcallserver.balancer.plugins.module_utils import _release
from ansible_collections.webcallserver.balancer.tests.unit import websdk
from ansible_collections.webcallserver.balancer.tests.unit.wcs_standin.ports import free_port

ROLE = Path(__file__).resolve().parents[4] / "roles" / "websdk_nginx"

# Another one: NGINX="chroot /path nginx", with pytest's --basetemp at the same path inside and outside
NGINX = shlex.split(os.environ.get("NGINX", shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") or "nginx"))

MAIN = """\
daemon off;
error_log stderr;
pid {home}/nginx.pid;
events {{}}
http {{
    access_log off;
    {temporary}
    include {home}/conf.d/*.conf;
}}
"""


@pytest.fixture(scope="session")
def evaluate():
    """Evaluate a template with the role's own variables and those of the test."""
    loader = DataLoader()

    def load(name):
        return loader.load_from_file(str(ROLE / name), cache="none", trusted_as_template=True)

    def evaluate(source, file=False, look="family ipv6", **variables):
        everything = load("defaults/main.yml") | load("vars/main.yml")
        everything |= {"ansible_managed": "Ansible managed", "ansible_facts": {"os_family": "Debian", "pkg_mgr": "apt", "systemd": {"version": 252}}}
        everything |= {"inventory_hostname": "web1", "groups": {}}
        everything |= variables
        # As the task reads them that comes first
        options = {name.removeprefix("websdk_nginx_"): value for name, value in everything.items() if name.startswith("websdk_nginx_")}
        everything["__websdk_nginx_seen"] = {"options": options, "programs": {"web": {"stdout_lines": look.split("\n")}}}
        # In a file a backslash is written as Jinja has it, in a variable as it is
        return Templar(loader=loader, variables=everything).template(trust_as_template(source), escape_backslashes=not file)

    return evaluate


@pytest.fixture(scope="session")
def configure(evaluate):
    """Write a complete configuration of nginx below a directory."""

    def configure(home, **variables):
        source = (ROLE / "templates" / "wcs-web.conf.j2").read_text(encoding="utf-8")
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        temporary = "\n    ".join(f"{kind}_temp_path {home}/{kind};" for kind in kinds)
        (home / "conf.d").mkdir(exist_ok=True)
        (home / "conf.d" / "wcs-web.conf").write_text(evaluate(source, file=True, websdk_nginx_root=f"{home}/site", **variables), encoding="utf-8")
        (home / "nginx.conf").write_text(("user root;\n" if os.getuid() == 0 else "") + MAIN.format(home=home, temporary=temporary), encoding="utf-8")
        return home / "nginx.conf"

    return configure


def verdict(config):
    """What nginx says of a configuration."""
    return subprocess.run([*NGINX, "-t", "-q", "-c", config], capture_output=True, text=True, check=False).stderr


def deploy(home, archive):
    """Serve an archive below a directory, as the module does."""
    root = str(home / "site")
    os.makedirs(os.path.join(root, "releases"), exist_ok=True)
    with open(archive, "rb") as stream:
        plan, version = _release.examine(stream)
        release = _release.identity(version, _release.checksum(stream))
        _release.add(root, release, stream, plan)
    _release.switch(root, release)
    return release


class Served:
    """A site that nginx serves."""

    def __init__(self, home, release, port):
        self.home, self.release, self.port = home, release, port

    def get(self, path, method="GET", **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            response.body = response.read()
            return response
        finally:
            connection.close()


def start(config, ready):
    """Start nginx and wait until it answers; stop it with terminate()."""
    process = subprocess.Popen([*NGINX, "-c", config], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and process.poll() is None:
        try:
            ready()
            return process
        except OSError:
            time.sleep(0.05)
    process.terminate()
    raise AssertionError(f"nginx does not answer: {process.communicate()[1]}")


@pytest.fixture(scope="module")
def served(configure, tmp_path_factory):
    home = tmp_path_factory.mktemp("nginx")
    home.chmod(0o755)
    release = deploy(home, websdk.pack(home / "websdk.tgz"))
    site = Served(home, release, free_port())
    process = start(configure(home, websdk_nginx_listen=[f"127.0.0.1:{site.port}"]), lambda: site.get("/"))
    yield site
    process.terminate()
    process.communicate()
