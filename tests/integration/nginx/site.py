# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real nginx, which serves a release with what the role's templates come to."""

from __future__ import annotations

import http.client
import os
import shlex
import shutil
import subprocess

from ansible_collections.webcallserver.balancer.plugins.module_utils import _release
from ansible_collections.webcallserver.balancer.tests.support.waiting import until
from ansible_collections.webcallserver.balancer.tests.support.websdk_nginx import ROLE, evaluate

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


def configure(home, **variables):
    """Write a complete configuration of nginx below a directory."""
    source = (ROLE / "templates" / "wcs-web.conf.j2").read_text(encoding="utf-8")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "\n    ".join(f"{kind}_temp_path {home}/{kind};" for kind in kinds)
    (home / "conf.d").mkdir(exist_ok=True)
    (home / "conf.d" / "wcs-web.conf").write_text(evaluate(source, file=True, websdk_nginx_root=f"{home}/site", **variables), encoding="utf-8")
    (home / "nginx.conf").write_text(("user root;\n" if os.getuid() == 0 else "") + MAIN.format(home=home, temporary=temporary), encoding="utf-8")
    return home / "nginx.conf"


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

    def answers():
        assert process.poll() is None, "it has ended"
        return ready()

    try:
        until(answers, 10, ignore=OSError)
    except AssertionError as error:
        process.terminate()
        raise AssertionError(f"nginx does not answer, {error}: {process.communicate()[1]}") from None
    return process
