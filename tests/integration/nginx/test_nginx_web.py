# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the unit runs, beside a real nginx: a reload that is followed, and those that are not."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess

import pytest
from ansible_collections.webcallserver.balancer.plugins.module_utils import _in_force
from ansible_collections.webcallserver.balancer.roles.websdk_nginx.files import nginx_web
from ansible_collections.webcallserver.balancer.tests.integration.nginx.site import NGINX
from ansible_collections.webcallserver.balancer.tests.support.ports import free_port
from ansible_collections.webcallserver.balancer.tests.support.waiting import until
from ansible_collections.webcallserver.balancer.tests.support.websdk_nginx import ROLE

MAIN = """\
{user}error_log {home}/error.log;
pid {home}/nginx.pid;
worker_processes 2;
events {{}}
http {{
    access_log off;
    client_body_temp_path {home}/a; proxy_temp_path {home}/b; fastcgi_temp_path {home}/c; uwsgi_temp_path {home}/d; scgi_temp_path {home}/e;
    include {home}/conf.d/*.conf;
}}
"""
SITE = "server {{ listen 127.0.0.1:{port}; return 200 '{text}'; }}\n"


class Running:
    """A master of nginx, and the files it runs on."""

    def __init__(self, home):
        self.home, self.port = home, free_port()
        self.site, self.main, self.record, self.last_good = (home / name for name in ("conf.d/site.conf", "nginx.conf", "record", "last-good"))
        self.site.parent.mkdir()
        self.main.write_text(MAIN.format(home=home, user="user root;\n" if os.getuid() == 0 else ""))
        self.write("one")
        subprocess.run([*NGINX, "-c", self.main], check=True, stderr=subprocess.DEVNULL)
        until(lambda: len(nginx_web.serving(self.pid)) >= 2, 10)

    @property
    def pid(self):
        return int((self.home / "nginx.pid").read_text())

    def write(self, text, port=None):
        self.site.write_text(SITE.format(port=port or self.port, text=text))

    def program(self, action="reload", main=None):
        return nginx_web.main([action, str(main or self.main), str(self.record), str(self.last_good), str(self.site), str(self.main)])

    def said(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as client:
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return b"".join(iter(lambda: client.recv(4096), b"")).rpartition(b"\r\n")[2].decode()

    def recorded(self):
        return _in_force.parse_record(self.record.read_text()) if self.record.exists() else None


@pytest.fixture(name="nginx")
def fixture_nginx(tmp_path, monkeypatch):
    monkeypatch.setattr(nginx_web, "IN_FORCE", ROLE.parent / "_host" / "files" / "in_force.sh")
    monkeypatch.setattr(nginx_web, "NGINX", NGINX[0])
    monkeypatch.setenv("INVOCATION_ID", "a" * 32)
    running = Running(tmp_path)
    monkeypatch.setenv("MAINPID", str(running.pid))
    yield running
    subprocess.run([*NGINX, "-c", running.main, "-s", "stop"], check=False, stderr=subprocess.DEVNULL)


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_reload_is_followed_and_noted(nginx):
    for text in ("two", "three"):
        nginx.write(text)
        assert nginx.program() == ""
        assert nginx.said() == text
        assert nginx.recorded() == ("a" * 32, {str(path): sha256(path) for path in (nginx.site, nginx.main)})
        assert nginx.last_good.read_text() == nginx.site.read_text()
        assert nginx.last_good.stat().st_mode & 0o777 == 0o644
    assert not [path for path in nginx.home.iterdir() if path.name.startswith(".last-good")]


def test_a_start_is_noted(nginx):
    nginx_web.in_force("take", str(nginx.record), str(nginx.site))
    assert nginx.recorded() is None
    assert nginx.program("started") == ""
    assert nginx.recorded() == ("a" * 32, {str(nginx.site): sha256(nginx.site)})
    assert nginx.last_good.read_text() == nginx.site.read_text()


def spoil(nginx, case):
    if case == "a mistake":
        nginx.site.write_text("server { nonsense; }")
        return "unknown directive", None
    if case == "a busy port":
        busy = socket.create_server(("127.0.0.1", 0))
        nginx.write("bad", busy.getsockname()[1])
        return "Address already in use", busy
    if case == "an address of another host":
        nginx.site.write_text("server { listen 192.0.2.77:8080; return 200; }")
        return "annot assign requested address", None
    nginx.site.write_text("server { listen 127.0.0.1:1; ssl_certificate /none; return 200; }\n" * 2 + "}")
    return 'unexpected "}"', None


@pytest.mark.parametrize("case", ["a mistake", "a busy port", "an address of another host", "a brace"])
def test_a_reload_that_is_not_followed_says_why_and_leaves_what_was(nginx, case):
    nginx.write("good")
    assert nginx.program() == ""
    before, good = nginx.recorded(), nginx.last_good.read_text()
    complaint, held = spoil(nginx, case)
    refusal = nginx.program()
    assert complaint in refusal and "\n" not in refusal
    assert (nginx.recorded(), nginx.last_good.read_text(), nginx.said()) == (before, good, "good")
    if held:
        held.close()
    nginx.write("good again")
    assert nginx.program() == "" and nginx.said() == "good again"


def test_another_main_file_takes_a_restart(nginx):
    other = nginx.home / "other.conf"
    other.write_text(nginx.main.read_text())
    assert nginx.program(main=other) == f"nginx was started with {nginx.main}, and can take up {other} by a restart alone"
    assert nginx.recorded() is None


@pytest.mark.parametrize(
    ("command", "main"),
    [
        ("nginx: master process /usr/sbin/nginx -g daemon on; master_process on;", "/etc/nginx/nginx.conf"),
        ("nginx: master process /usr/sbin/nginx -c /etc/nginx/wcs-web-nginx.conf", "/etc/nginx/wcs-web-nginx.conf"),
        ("nginx: master process /usr/sbin/nginx", "/etc/nginx/nginx.conf"),
    ],
)
def test_the_file_that_nginx_was_started_with(command, main):
    assert nginx_web.started_with(command) == main


def test_what_a_client_writes_into_a_log_is_no_word_of_nginx(tmp_path):
    log = tmp_path / "error.log"
    log.write_text("before\n")
    size = log.stat().st_size
    with log.open("a") as stream:
        stream.write('2026/11/26 01:00:00 [error] 7#7: *1 open() "/x [emerg] 1#1: \x1b[2J" failed\n2026/11/26 01:00:00 [emerg] 7#7: bind() \x1b failed\n')
    assert nginx_web.emergencies({log: size}) == ["bind() \x1b failed"]
    assert nginx_web.one_line(nginx_web.emergencies({log: size})) == "bind() ? failed"
