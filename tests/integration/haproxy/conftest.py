# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Render the role's templates the way the role does, and give the result to the real haproxy."""

from __future__ import annotations

import base64
import contextlib
import re
import shutil
import subprocess

import pytest
from ansible.template import trust_as_template
from ansible_collections.webcallserver.balancer.tests.integration.haproxy.balancer import balanced
from ansible_collections.webcallserver.balancer.tests.support.haproxy_lb import ROLE, make_templar, run


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
    return make_templar(etc, installed)


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


@pytest.fixture
def running(install, tmp_path):
    """A balancer over nodes of these names."""
    with contextlib.ExitStack() as stack:
        yield lambda *names, **variables: stack.enter_context(balanced(install, tmp_path, *names, **variables))


# The parts of what a file's own fixture everything has running


@pytest.fixture
def balancer(everything):
    return everything[0]


@pytest.fixture
def nodes(everything):
    return everything[1]


@pytest.fixture
def web(everything):
    return everything[2]
