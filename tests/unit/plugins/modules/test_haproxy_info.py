# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy's statistics by the kind of each column, and the workers from before a reload."""

from __future__ import annotations

import contextlib

import pytest
from ansible_collections.webcallserver.balancer.plugins.module_utils import _haproxy
from ansible_collections.webcallserver.balancer.plugins.module_utils._haproxy import NoAnswer
from ansible_collections.webcallserver.balancer.plugins.modules import haproxy_info
from ansible_collections.webcallserver.balancer.plugins.modules.haproxy_info import backends, old_workers, servers, sessions_before
from ansible_collections.webcallserver.balancer.tests.support.servers import Server

HEADER = "# pxname,svname,scur,status,weight,type,cookie,last_agt,check_desc,new_column,"
LISTENER, FRONTEND, BACKEND, SERVER = "3", "0", "1", "2"


def statistics(*lines):
    return "\n".join([HEADER, *lines, ""])


def line(name, kind=SERVER, backend="wcs_back", scur="3", status="UP", weight="100", cookie="", said="", more=""):
    return f"{backend},{name},{scur},{status},{weight},{kind},{cookie},{said},,{more},"


def test_servers_are_those_by_their_type_whatever_they_are_called():
    text = statistics(
        line("FRONTEND", FRONTEND, "wcs"),
        line("sock-1", LISTENER, "wcs"),
        line("wcs1"),
        line("FRONTEND"),
        line("BACKEND", BACKEND),
    )
    assert [row["name"] for row in servers(text)] == ["wcs1", "FRONTEND"]
    assert backends(text) == ["wcs_back"]


@pytest.mark.parametrize(
    ("given", "column", "value"),
    [
        ({"cookie": "0012"}, "cookie", "0012"),
        ({"cookie": "12"}, "cookie", "12"),
        ({"said": "-1"}, "last_agt", "-1"),
        ({"status": "7"}, "status", "7"),
        ({"name": "10"}, "name", "10"),
        ({"backend": "007"}, "backend", "007"),
        ({"more": "5"}, "new_column", "5"),
        ({"scur": "12"}, "scur", 12),
        ({"weight": "-1"}, "weight", -1),
        ({"scur": "x"}, "scur", "x"),
        ({"scur": "٣"}, "scur", "٣"),
        ({"scur": "9" * 5000}, "scur", "9" * 5000),
    ],
)
def test_the_kind_of_a_value_is_that_of_its_column(given, column, value):
    (row,) = servers(statistics(line(**{"name": "wcs1"} | given)))
    assert row[column] == value and type(row[column]) is type(value)


def test_a_column_without_a_value_is_left_out():
    assert "cookie" not in servers(statistics(line("wcs1")))[0]


@pytest.mark.parametrize("said", ['"up #a, b"', '"up ""x"""', "up\u2028down", "up\x85down", "up\x0cdown"])
def test_what_an_agent_said_breaks_no_row(said):
    (row,) = servers(statistics(line("wcs1", said=said)))
    assert row["name"] == "wcs1" and row["last_agt"].startswith("up")


@pytest.mark.parametrize(
    "text", ["HTTP/1.0 400 Bad request\n\nno\n", "Unknown command: show stat\nhelp\n", statistics("wcs_back,wcs1,3"), f"{HEADER}\n" + "x" * 200000 + "\n"]
)
def test_what_is_no_statistics_is_named(text):
    with pytest.raises(NoAnswer):
        servers(text)


PROCESSES = """#<PID>          <type>          <reloads>       <uptime>        <version>
100             master          2               0d00h10m00s     2.6.12
# workers
130             worker          0               0d00h01m00s     2.6.12
# old workers
120             worker          1               0d00h05m00s     2.6.12
110             worker          2               0d00h10m00s     2.6.12
# programs
90              worker-like     0               0d00h10m00s     -
"""


@pytest.mark.parametrize(("text", "pids"), [(PROCESSES, ["120", "110"]), (PROCESSES.partition("# old")[0], []), ("", []), ("Unknown command", [])])
def test_workers_from_before_a_reload(text, pids):
    assert old_workers(text) == pids


@pytest.fixture
def answering(tmp_path):
    """Return a function that starts a socket with an answer for each command, and returns its path."""
    path = str(tmp_path / "socket")
    with contextlib.ExitStack() as stack:

        def start(answers):
            def handle(connection, _over):
                for part in answers.get(connection.recv(1024).decode().strip(), ["Unknown command\n"]):
                    connection.sendall(part.encode())

            stack.enter_context(Server(handle, path=path))
            return path

        yield start


def test_sessions_of_older_workers_are_counted_by_server(answering):
    path = answering({"show proc": [PROCESSES], "@!120 show stat": [statistics(line("wcs1", scur="30"), line("wcs2", scur="2"))]})
    # The other one has ended between the two questions
    assert sessions_before(path) == {120: {("wcs_back", "wcs1"): 30, ("wcs_back", "wcs2"): 2}, 110: {}}


def test_a_master_that_cannot_be_asked(tmp_path):
    assert sessions_before(str(tmp_path / "none")) is None


def test_an_answer_without_an_end_is_given_up(answering, monkeypatch):
    monkeypatch.setattr(_haproxy, "LARGEST", 100000)
    path = answering({"show stat": ["x" * 65536 for _turn in range(1000)]})
    with pytest.raises(NoAnswer, match="no end"):
        haproxy_info.ask(path, "show stat")
