# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A reload forgets nothing that matters and takes up everything that changed."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
import threading
import time

import pytest
from ansible_collections.webcallserver.balancer.roles.haproxy_lb.files import haproxy_reload
from ansible_collections.webcallserver.balancer.tests.integration.haproxy.balancer import HANDSHAKE, Node, balanced
from ansible_collections.webcallserver.balancer.tests.support.haproxy_lb import ROLE


@pytest.fixture
def everything(install, tmp_path):
    with balanced(install, tmp_path, "wcs1", "wcs2") as running:
        yield running


@pytest.fixture
def visits(balancer):
    """New sessions without a pause, and the nodes that took them."""
    taken, stop = [], threading.Event()

    def visit():
        while not stop.is_set():
            try:
                taken.append(balancer.visit())
            except OSError as error:
                taken.append(error)
            stop.wait(0.005)

    thread = threading.Thread(target=visit)

    class Visits:
        def __enter__(self):
            thread.start()
            return taken

        def __exit__(self, *exception):
            stop.set()
            thread.join()

    return Visits()


def down(balancer, name):
    return balancer.servers()[name]["status"].startswith("DOWN")


def test_a_node_that_its_agent_holds_down_gets_nothing_after_a_reload(balancer, nodes, visits):
    nodes[1].agent = b"down #cpu 93>90\n"
    balancer.wait(lambda: down(balancer, "wcs2"))
    with visits as taken:
        for _dummy in range(5):
            assert balancer.reload().returncode == 0
            balancer.wait(balancer.settled)
    assert set(taken) == {"wcs1"}
    assert "cpu 93>90" in balancer.servers()["wcs2"]["last_agt"]
    nodes[1].agent = b"up 100%\n"
    balancer.wait(lambda: not down(balancer, "wcs2"))


def test_a_node_that_fails_its_check_gets_nothing_after_a_reload(balancer, nodes, visits):
    nodes[1].status = b"503 Service Unavailable"
    balancer.wait(lambda: down(balancer, "wcs2"))
    with visits as taken:
        for _dummy in range(3):
            assert balancer.reload().returncode == 0
    assert set(taken) == {"wcs1"}


def test_a_drained_node_stays_drained(balancer, visits):
    balancer.command("set server wcs_back/wcs1 state drain")
    with visits as taken:
        for _dummy in range(3):
            assert balancer.reload().returncode == 0
            balancer.wait(balancer.settled)
    assert set(taken) == {"wcs2"}
    balancer.command("set server wcs_back/wcs1 state ready")
    assert {balancer.visit() for dummy in range(10)} == {"wcs1", "wcs2"}


def test_the_agent_s_weight_is_kept(balancer, nodes):
    nodes[0].agent = b"up 10%\n"
    balancer.wait(lambda: balancer.servers()["wcs1"]["weight"] == "10")
    assert balancer.reload().returncode == 0
    assert balancer.servers()["wcs1"]["weight"] == "10"


def test_live_sessions_survive_and_new_ones_do_not_fail(balancer, visits):
    with balancer.connect() as client:
        assert client.ask(*HANDSHAKE)[0] == 101
        client.stream.readline()
        with visits as taken:
            for number in range(5):
                assert balancer.reload().returncode == 0
                client.socket.sendall(b"%d\n" % number)
                assert client.stream.readline() == b"%d\n" % number
    assert set(taken) == {"wcs1", "wcs2"}


def test_what_changed_in_the_file_wins_over_the_state(balancer, nodes):
    """Another weight, other ports, another order: the file counts; what is known of a server goes by its name."""
    nodes[0].agent = b"up\n"
    nodes[1].agent = b"down\n"
    balancer.wait(lambda: down(balancer, "wcs2"))
    known, second = (node.variables for node in nodes)
    newcomer = known | {"name": "wcs0"}
    changed = known | {"address": "127.0.0.2", "port": known["check_port"], "weight": 50, "maxconn": 7}
    changed |= {"check_port": known["agent_port"], "agent_port": known["port"]}
    balancer.configure([newcomer, second, changed])
    assert balancer.reload().returncode == 0
    servers = balancer.servers()
    assert list(servers) == ["wcs0", "wcs2", "wcs1"]
    assert down(balancer, "wcs2")
    assert (servers["wcs1"]["weight"], servers["wcs1"]["slim"]) == ("50", "7")
    assert servers["wcs1"]["addr"] == f"127.0.0.2:{changed['port']}"
    state = balancer.command("show servers state").splitlines()
    row = dict(zip(state[1].lstrip("# ").split(), next(line for line in state if " wcs1 " in line).split(), strict=True))
    # Release 2.2 does not save these two
    assert row.get("srv_check_port", str(changed["check_port"])) == str(changed["check_port"])
    assert row.get("srv_agent_port", str(changed["agent_port"])) == str(changed["agent_port"])


def test_a_new_node_gets_nothing_before_it_was_heard(balancer, nodes, visits):
    """Its statistics page answers and its port is open, but its agent, had it been asked, says that it is full."""
    newcomer = Node("wcs3")
    newcomer.agent = b"down #full\n"
    balancer.configure([newcomer.variables, *(node.variables for node in nodes)])
    with visits as taken:
        assert balancer.reload().returncode == 0
        balancer.wait(lambda: "full" in balancer.servers()["wcs3"]["last_agt"])
    assert set(taken) == {"wcs1", "wcs2"}
    newcomer.agent = b"up 100%\n"
    balancer.wait(lambda: balancer.servers()["wcs3"]["status"] == "UP")
    balancer.wait(lambda: int(balancer.servers()["wcs3"]["weight"]) > 0)
    newcomer.close()


def test_a_node_that_left_gets_nothing_new_and_loses_nobody(balancer, nodes):
    with balancer.connect() as client:
        assert client.ask(*HANDSHAKE)[0] == 101
        left = client.stream.readline().decode().strip()
        stays = next(node for node in nodes if node.name != left)
        balancer.configure([stays.variables])
        assert balancer.reload().returncode == 0
        assert {balancer.visit() for dummy in range(5)} == {stays.name}
        # Once more: the worker that holds the session is now two behind
        assert balancer.reload().returncode == 0
        client.socket.sendall(b"still here\n")
        assert client.stream.readline() == b"still here\n"
    assert b"ALERT" not in b"".join(balancer.output)


def test_an_old_state_is_not_taken_for_the_present_one(balancer):
    assert balancer.reload().returncode == 0
    state = balancer.config.with_name("server-state")
    assert state.stat().st_mode & 0o777 == 0o600
    state.with_name("server-state.new").mkdir()
    before = balancer.pid()
    done = balancer.reload()
    assert done.returncode == 1
    assert "The state of the servers cannot be saved" in done.stdout
    assert not state.exists()
    assert balancer.pid() == before


def test_a_port_that_somebody_else_has_is_found_out_before_anything_happens(balancer, nodes, visits):
    with socket.create_server(("127.0.0.1", 0)) as taken, visits as names:
        port = taken.getsockname()[1]
        balancer.configure([nodes[0].variables], haproxy_lb_redirect_port=port)
        done = balancer.reload()
    assert done.returncode != 0
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in done.stdout
    assert set(names) == {"wcs1", "wcs2"}
    balancer.configure([nodes[0].variables])
    assert balancer.reload().returncode == 0
    assert {balancer.visit() for dummy in range(4)} == {"wcs1"}


def test_a_master_that_brings_up_no_worker_is_an_error(balancer):
    with subprocess.Popen(["sh", "-c", "trap '' USR2; echo; exec sleep 60"], stdout=subprocess.PIPE) as deaf:
        deaf.stdout.readline()
        done = balancer.unit("reload", deaf.pid, 1)
        deaf.kill()
    assert done.returncode != 0
    assert "No worker came up" in done.stdout


def kept(balancer):
    """What is noted of the worker that serves: name of each file, and its digest."""
    record = balancer.directory / "in-force"
    return dict(reversed(line.split("  ")) for line in record.read_text().splitlines()[1:]) if record.exists() else {}


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_what_a_worker_was_loaded_from_is_noted_once_it_serves(balancer, nodes, etc):
    last_good = balancer.directory / "haproxy.cfg.last-good"
    expected = {str(path): digest(path) for path in (balancer.config, etc / "certs" / "wcs.example.com.pem")}
    assert kept(balancer) == expected
    assert digest(last_good) == expected[str(balancer.config)]
    assert (balancer.directory / "in-force").stat().st_mode & 0o777 == 0o600
    balancer.configure([nodes[0].variables])
    assert kept(balancer) == expected
    assert digest(last_good) != digest(balancer.config)
    assert balancer.reload().returncode == 0
    assert kept(balancer)[str(balancer.config)] == digest(balancer.config) == digest(last_good)


BROKEN = {
    "no configuration": b"nonsense\n",
    "empty": b"",
    "half a line": b"backend\nserver\nbind\nstats socket\nserver-state-file\n",
    "a bundle that is not there": b"frontend x\n  bind 127.0.0.1:1 ssl crt /nowhere\n",
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_what_no_worker_came_up_on_is_never_the_last_good(balancer, text):
    before = (balancer.directory / "haproxy.cfg.last-good").read_bytes()
    pid = balancer.pid()
    balancer.config.write_bytes(text)
    assert balancer.unit("reload", balancer.process.pid, 2).returncode == 1
    assert (balancer.directory / "haproxy.cfg.last-good").read_bytes() == before
    assert not (balancer.directory / "in-force").exists() or kept(balancer)[str(balancer.config)] != digest(balancer.config)
    balancer.config.write_bytes(before)
    assert balancer.reload().returncode == 0
    assert balancer.pid() != pid
    assert kept(balancer)[str(balancer.config)] == digest(balancer.config)


STOPPED = """
import os, runpy, sys
point, seen = int(sys.argv[1]), [0]
sys.argv = sys.argv[2:]
def hook(event, arguments):
    if event in ("os.rename", "os.remove", "os.kill", "socket.connect") or event == "open" and str(arguments[0]).startswith({directory!r}):
        seen[0] += 1
        if seen[0] == point:
            os._exit(9)
sys.addaudithook(hook)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_a_reload_that_is_stopped_at_any_point_is_completed_by_the_next(balancer, nodes):
    """What is noted is true at every moment: either the worker that serves has this file, or the next run sees that it has not."""
    known = [node.variables for node in nodes]
    limits, points = {digest(balancer.config): balancer.servers()["wcs1"]["slim"]}, 0
    for points in range(1, 100):
        balancer.configure([server | {"maxconn": 100 + points} for server in known])
        limits[digest(balancer.config)] = str(100 + points)
        program = [ROLE / "files" / "haproxy_reload.py", "reload", balancer.config, balancer.directory, balancer.process.pid]
        text = STOPPED.format(directory=str(balancer.directory))
        done = subprocess.run([sys.executable, "-I", "-c", text, *(str(word) for word in (points, *program))], check=False, timeout=60)
        noted = kept(balancer).get(str(balancer.config))
        if noted:
            balancer.wait(lambda noted=noted: balancer.servers()["wcs1"]["slim"] == limits[noted], 5)
        if done.returncode == 0:
            break
        assert done.returncode == 9
        if noted != digest(balancer.config):
            assert balancer.reload().returncode == 0
        assert kept(balancer)[str(balancer.config)] == digest(balancer.config) == digest(balancer.directory / "haproxy.cfg.last-good")
        assert balancer.servers()["wcs1"]["slim"] == str(100 + points)
    assert points > 15


def test_a_file_that_changes_while_haproxy_reads_it_is_not_noted(balancer, nodes, monkeypatch):
    def load(path):
        found = haproxy_reload.parse(balancer.config.read_bytes())
        with balancer.config.open("a") as file:
            file.write("# another hand\n")
        return found

    monkeypatch.setattr(haproxy_reload, "load", load)
    haproxy_reload.reload(str(balancer.config), str(balancer.directory), balancer.process.pid)
    assert kept(balancer) == {}
    monkeypatch.undo()
    assert balancer.reload().returncode == 0
    assert kept(balancer)[str(balancer.config)] == digest(balancer.config)


@pytest.mark.parametrize("umask", ["000", "022", "077"])
def test_what_is_written_has_its_own_modes(balancer, umask):
    assert balancer.unit("reload", balancer.process.pid, umask=int(umask, 8)).returncode == 0
    modes = {path.name: f"{path.stat().st_mode & 0o777:o}" for path in balancer.directory.iterdir() if path.suffix != ".sock"}
    assert {name: modes[name] for name in ("in-force", "server-state", "haproxy.cfg.last-good")} == {
        "in-force": "600",
        "server-state": "600",
        "haproxy.cfg.last-good": "644",
    }


@pytest.mark.parametrize("name", ["server-state", "server-state.new", "in-force", "in-force.taken.new", "haproxy.cfg.last-good"])
def test_a_link_is_replaced_and_what_it_leads_to_stays(balancer, name, tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("precious")
    link = balancer.directory / name
    link.unlink(missing_ok=True)
    link.symlink_to(precious)
    assert balancer.reload().returncode == 0
    assert precious.read_text() == "precious"
    assert not link.is_symlink()


def drained(balancer, nodes, agent):
    """One node that its agent keeps out, and its sessions over restarts."""
    nodes[1].agent = agent
    balancer.wait(lambda: int(balancer.servers()["wcs2"]["weight"]) == 0 or not balancer.servers()["wcs2"]["status"].startswith("UP"))


KEPT_OUT = [b"down #cpu 93>90\n", b"drain #operator\n", b"up 0%\n", b"maint\n"]


@pytest.mark.parametrize("how", ["stop", "kill"])
@pytest.mark.parametrize("agent", KEPT_OUT)
def test_a_restart_sends_nobody_to_a_node_that_is_kept_out(balancer, nodes, agent, how, visits):
    drained(balancer, nodes, agent)
    if how == "stop":
        balancer.unit("stop")
        balancer.close()
    else:
        balancer.kill()
    with visits as taken:
        balancer.start()
        # Two polls of the agent, and as long as health alone takes to raise a server
        time.sleep(3.5)
    assert "wcs2" not in taken
    assert taken.count("wcs1") > 20
    assert 503 not in taken


def test_a_drain_by_hand_outlives_a_restart_that_is_asked_for(balancer):
    balancer.command("set server wcs_back/wcs2 state drain")
    balancer.restart()
    assert {balancer.visit() for _turn in range(10)} == {"wcs1"}


def test_an_old_state_from_a_stop_is_not_believed(balancer):
    balancer.command("set server wcs_back/wcs2 state maint")
    balancer.unit("stop")
    os.utime(balancer.directory / "at-stop", (1, 1))
    balancer.close()
    balancer.start()
    balancer.wait(balancer.settled)
    assert {balancer.visit() for _turn in range(10)} == {"wcs1", "wcs2"}
    assert not (balancer.directory / "at-stop").exists()


ANSWERS = {
    "up 100%\n": True,
    "up\n": True,
    "ready up 50%": True,
    "UP 7%\n": True,
    "up 0%\n": False,
    "down\n": False,
    "drain\n": False,
    "maint\n": False,
    "stopped\n": False,
    "up,drain\n": False,
    "down #up\n": False,
    "": False,
    "100%\n": False,
    "up\x1b[2J\n": False,
    "upward\n": False,
}


@pytest.mark.parametrize(("answer", "expected"), ANSWERS.items(), ids=map(repr, ANSWERS))
def test_an_agent_lets_sessions_in(answer, expected):
    assert haproxy_reload.sound(answer) is expected


@pytest.mark.parametrize("text", ["\x1b[2J", "\u2028", "\r\n", "\x9b31m", "a\x00b"])
def test_what_is_said_steers_no_terminal(text, capsys):
    haproxy_reload.say(text)
    said = capsys.readouterr().out
    assert said.endswith("\n")
    assert said.count("\n") == 1
    assert said.isascii()
    assert said.rstrip("\n").isprintable()


TABLE = """# table: wcs_back, type: string, size:102400, used:1
0x55d0: key=alice use=0 exp=86390000 shard=0 server_id=2 server_key=wcs2
0x55d1: key=mallory use=0 server_id=1 x use=0 exp=86390000 server_id=2
0x55d2: key=a key=b use=0 exp=1 server_id=2
0x55d3: key=spaced out use=0 exp=1 server_id=2
0x55d4: key=nobody use=0 exp=1 server_id=9
0x55d5: key=line\u2028key=other use=0 exp=1 server_id=1
0x55d6: key=bob;shutdown use=0 exp=1 server_id=1
0x55d7: garbage
"""


def test_of_a_table_only_what_haproxy_itself_says_is_taken(monkeypatch):
    state = "1\n# be_name srv_id srv_name\nwcs_back 1 wcs1\nwcs_back 2 wcs2\n"
    configuration = haproxy_reload.parse(b"backend wcs_back\n server wcs2 192.0.2.2:1\n server wcs1 192.0.2.1:1\n")
    monkeypatch.setattr(haproxy_reload, "ask", lambda _path, _command: TABLE)
    assert haproxy_reload.clients(state, configuration) == ["set table wcs_back key alice data.server_id 1"]


def test_a_large_table_is_read_in_linear_time(monkeypatch):
    line = "0x55d2: " + "key=" * 200_000 + " use=0" * 20_000 + " server_id=1"
    monkeypatch.setattr(haproxy_reload, "ask", lambda _path, _command: "\n".join([line] * 20))
    start = time.process_time()
    assert haproxy_reload.clients("1\n# be_name srv_id srv_name\n", haproxy_reload.parse(b"backend b\n server s 192.0.2.1:1\n")) == []
    assert time.process_time() - start < 2


BINDS = {
    "127.0.0.1:{}": True,
    "*:{}": True,
    ":{}": True,
    "[::]:{}": False,
    "/run/socket": False,
    "fd@3": False,
    "127.0.0.1:{}-9000": False,
    "nonsense": False,
    "127.0.0.1:99999": True,
    "300.1.1.1:{}": True,
}


@pytest.mark.parametrize(("bind", "expected"), BINDS.items())
def test_a_taken_port(bind, expected):
    with socket.create_server(("0.0.0.0", 0)) as server:
        assert bool(haproxy_reload.taken([bind.format(server.getsockname()[1])])) is expected
