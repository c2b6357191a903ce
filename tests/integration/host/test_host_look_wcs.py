# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is seen of a host, whatever its files are."""

from __future__ import annotations

import os
import time

import pytest
from ansible_collections.webcallserver.balancer.plugins.modules import host_look
from ansible_collections.webcallserver.balancer.tests.support import modules

SYSTEMCTL = """#!/bin/sh
printf 'Id=webcallserver.service\\nLoadState=loaded\\nActiveState=active\\nUnitFileState=enabled\\nNeedDaemonReload=no\\n\\n'
printf 'Id=xinetd.service\\nLoadState=not-found\\nActiveState=inactive\\nUnitFileState=\\nNeedDaemonReload=no\\n'
"""
IP = """#!/bin/sh
printf '2: eth0    inet 192.0.2.11/24 brd 192.0.2.255 scope global eth0\\n2: eth0    inet6 2001:db8::11/64 scope global\\n'
"""


@pytest.fixture(name="home")
def fixture_home(tmp_path, monkeypatch):
    for name, text in (("systemctl", SYSTEMCTL), ("ip", IP)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    for name in ("bin", "conf"):
        (tmp_path / "wcs" / name).mkdir(parents=True)
    return tmp_path / "wcs"


@pytest.fixture(name="look")
def fixture_look(home):
    def look(**options):
        return modules.run(host_look, {"wcs": {"home": str(home), "service": "webcallserver", "now": int(time.time()), **options}})["wcs"]

    return look


def test_a_host_with_nothing_on_it(look):
    host = look()
    assert host["units"]["webcallserver.service"] == {"LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled", "NeedDaemonReload": "no"}
    assert host["addresses"] == ["192.0.2.11", "2001:db8::11"]
    assert (host["version"], host["descriptors"], host["prefers_ipv4"], host["unreadable"]) == ("", 0, False, [])
    assert abs(host["ahead"]) <= 2 and host["free"] > 0


@pytest.mark.parametrize(
    ("text", "version"), [("5.2.1537-abc\n", "5.2.1537-abc"), ("5.2\x1b[2J", ""), ("x" * 500, ""), ("5.2\n::notify::\n", "5.2"), ("٥.٢", "")]
)
def test_the_version_is_plain_text(look, home, text, version):
    (home / "conf" / "WCS.version").write_text(text, encoding="utf-8")
    assert look()["version"] == version


@pytest.mark.parametrize(
    ("text", "descriptors"),
    [
        ("WCS_FD_LIMIT=20000\n", 20000),
        ('if x; then\n\texport WCS_FD_LIMIT="4096" # few\nfi', 4096),
        ("# WCS_FD_LIMIT=1\nWCS_FD_LIMIT=2", 2),
        ("WCS_FD_LIMIT=5;", 5),
        ("WCS_FD_LIMIT=6; export WCS_FD_LIMIT", 6),
        ("WCS_FD_LIMIT=7\r\n", 7),
        ("readonly WCS_FD_LIMIT=8", 8),
        ("WCS_FD_LIMIT=${WCS_FD_LIMIT:-9}", 9),
        ('WCS_FD_LIMIT="${WCS_FD_LIMIT:-10}"', 10),
        (": ${WCS_FD_LIMIT:=11}", 11),
        ("if [ -z x ]; then WCS_FD_LIMIT=12; fi", 12),
        ("WCS_FD_LIMIT=$(x)", 0),
        ("MY_WCS_FD_LIMIT=3", 0),
        ("WCS_FD_LIMIT=٣", 0),
    ],
)
def test_descriptors(look, home, text, descriptors):
    (home / "bin" / "setenv.sh").write_text(text, encoding="utf-8")
    assert look()["descriptors"] == descriptors


@pytest.mark.parametrize(
    ("text", "prefers"),
    [
        ("-Xmx1024M\n-Djava.net.preferIPv4Stack=true\n", True),
        ("-Djava.net.preferIPv4Stack=true\r\n", True),
        ("#-Djava.net.preferIPv4Stack=true\n", False),
        ("-Djava.net.preferIPv4Stack=false\n", False),
    ],
)
def test_java_that_listens_on_ipv4_alone(look, home, text, prefers):
    (home / "conf" / "wcs-core.properties").write_text(text)
    assert look()["prefers_ipv4"] is prefers


@pytest.mark.parametrize("name", ["conf/WCS.version", "conf/wcs-core.properties", "bin/setenv.sh"])
def test_what_is_no_file_is_told_and_not_read(look, home, name):
    os.mkfifo(home / name)
    assert look()["unreadable"] == [f"{home}/{name} is not a regular file."]
