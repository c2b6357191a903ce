# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""For which properties the server has to be restarted, as systemd tells when it was started."""

from __future__ import annotations

import time

import pytest
from ansible_collections.webcallserver.balancer.plugins.modules import flashphoner_properties
from ansible_collections.webcallserver.balancer.tests.support import modules

CONTENT = b"# WCS\nws.port =8080\ndb.password=hunter2\n"


@pytest.fixture(name="file")
def fixture_file(tmp_path):
    file = tmp_path / "conf" / "flashphoner.properties"
    file.parent.mkdir()
    file.write_bytes(CONTENT)
    return file


def run(check=False, **options):
    return modules.run(flashphoner_properties, options, check)


SYSTEMCTL = """#!/bin/sh
printf 'ActiveState={state}\\nInvocationID={invocation}\\nInactiveExitTimestampMonotonic={started}\\n'
"""


@pytest.fixture(name="server")
def fixture_server(file, tmp_path, monkeypatch):
    """A server that was started on the file an hour ago; server(...) says otherwise, or starts it anew."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    (tmp_path / "bin").mkdir()
    record = tmp_path / "run" / "started-on"

    def server(state="active", invocation="f00", started=-3600, copied=None):
        command = tmp_path / "bin" / "systemctl"
        microseconds = int((time.clock_gettime(time.CLOCK_MONOTONIC) + started) * 1e6)
        command.write_text(SYSTEMCTL.format(state=state, invocation=invocation, started=microseconds))
        command.chmod(0o755)
        if copied is not None:
            record.parent.mkdir(exist_ok=True)
            record.write_bytes(copied)
        return {"path": str(file), "service": "webcallserver", "started_on": str(record), "properties": {"ws.port": 8181, "gone": None}}

    return server


def test_what_the_server_was_started_on_decides(file, server):
    options = server(copied=b"# f00\n" + CONTENT)
    assert run(**options)["pending_keys"] == ["ws.port"]
    # An interrupted run: the file is right, the server is not
    again = run(**options)
    assert (again["changed"], again["changed_keys"], again["pending_keys"]) == (False, [], ["ws.port"])
    # Set back by hand, and asked for no more
    file.write_bytes(CONTENT)
    assert run(**options | {"properties": {"ws.port": 8080}})["pending_keys"] == []
    # Restarted by hand
    file.write_bytes(b"ws.port \\\n : 8181\n")
    assert run(**server(invocation="f01", copied=b"# f01\n" + file.read_bytes()))["pending_keys"] == []


def test_without_a_copy_the_times_decide(file, server, tmp_path):
    # Started a second ago: the file is older, so that it is what the server was started on
    time.sleep(0.05)
    options = server(started=-0.01)
    predicted = run(check=True, **options)
    assert predicted["pending_keys"] == ["ws.port"] and not (tmp_path / "run").exists()
    assert run(**options)["pending_keys"] == ["ws.port"]
    assert (tmp_path / "run" / "started-on").read_bytes() == b"# f00\n" + CONTENT
    assert [(tmp_path / "run" / name).stat().st_mode & 0o777 for name in ("", "started-on")] == [0o700, 0o600]
    assert run(**options | {"properties": {"ws.port": 8080}})["pending_keys"] == []
    # A copy of another start counts for nothing, and the file has changed since this one
    file.write_bytes(CONTENT)
    assert run(**server(invocation="f02"))["pending_keys"] == ["ws.port", "gone"]


@pytest.mark.parametrize("state", ["inactive", "failed", "deactivating"])
def test_a_server_that_does_not_run_has_nothing_to_be_restarted_for(server, state):
    result = run(**server(state=state))
    assert (result["active"], result["pending_keys"], result["changed_keys"]) == (False, [], ["ws.port"])
