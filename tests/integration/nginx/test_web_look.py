# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The look at a host: whose site is in the place of Debian's welcome page."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest
from ansible_collections.webcallserver.balancer.tests.support.paths import ROLES

PROGRAM = ROLES / "websdk_nginx" / "files" / "web_look.sh"
PACKAGED = b"server { listen 80 default_server; }\n"
SITES = {
    "nothing": (None, False),
    "the package's": (PACKAGED, False),
    "the role's": (b"# Left empty: the welcome page would take port 80\n", False),
    "somebody's": (b"server { listen 80; server_name shop.example.com; }\n", True),
    "the package's, changed": (PACKAGED + b"# mine\n", True),
    "an empty file": (b"", True),
}


@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize(("content", "own"), SITES.values(), ids=SITES)
def test_whose_site_it_is(tmp_path, content, own, linked):
    dpkg = tmp_path / "dpkg-query"
    dpkg.write_text(f"#!/bin/sh\necho ' /etc/nginx/nginx.conf 0123'\necho ' /etc/nginx/sites-available/default {hashlib.md5(PACKAGED).hexdigest()}'\n")
    dpkg.chmod(0o755)
    site = tmp_path / "default"
    if content is not None:
        (tmp_path / "available").write_bytes(content)
        site.symlink_to("available") if linked else site.write_bytes(content)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    output = subprocess.check_output(["sh", "-s", str(site)], input=PROGRAM.read_text(), text=True, env=environment)
    assert (f"own {site}" in output.splitlines()) is own


def test_without_dpkg_a_site_is_somebody_s(tmp_path):
    (tmp_path / "default").write_bytes(PACKAGED)
    (tmp_path / "dpkg-query").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "dpkg-query").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    assert "own " in subprocess.check_output(["sh", "-s", str(tmp_path / "default")], input=PROGRAM.read_text(), text=True, env=environment)


def test_the_kernel_is_asked_for_ipv6():
    """The kernel's files have no size."""
    output = subprocess.check_output(["sh", "-s", "/nowhere"], input=PROGRAM.read_text(), text=True)
    known = Path("/proc/net/if_inet6")
    assert ("family ipv6" in output.splitlines()) is (known.exists() and known.read_text() != "")
