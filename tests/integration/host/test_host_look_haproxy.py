# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A unit that systemd has not read since it was written, which a run that was stopped leaves behind."""

from __future__ import annotations

import pytest
from ansible_collections.webcallserver.balancer.plugins.modules import host_look
from ansible_collections.webcallserver.balancer.tests.support import modules

SYSTEMCTL = """#!/bin/sh
for unit; do :; done
echo LoadState=loaded
[ "$unit" = {unit} ] && echo NeedDaemonReload=yes || echo NeedDaemonReload=no
"""


@pytest.mark.parametrize(
    ("unit", "due"), [("haproxy.service", True), ("haproxy-tickets.timer", True), ("haproxy-tickets.service", True), ("nginx.service", False)]
)
def test_a_unit_that_systemd_has_not_read(tmp_path, monkeypatch, unit, due):
    (tmp_path / "systemctl").write_text(SYSTEMCTL.format(unit=unit))
    (tmp_path / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    asked = {"config": str(tmp_path / "haproxy.cfg"), "record": str(tmp_path / "in-force"), "names": [], "timer": "haproxy-tickets.timer"}
    assert modules.run(host_look, {"haproxy": asked})["haproxy"]["daemon_reload"] is due
