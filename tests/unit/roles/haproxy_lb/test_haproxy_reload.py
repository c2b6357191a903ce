# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A reload forgets nothing that matters and takes up everything that changed."""

from __future__ import annotations

import socket
import subprocess
import threading

import pytest

from .balancer import HANDSHAKE, Node, balanced


@pytest.fixture
def everything(install, tmp_path):
    with balanced(install, tmp_path, "wcs1", "wcs2") as running:
        yield running


@pytest.fixture
def balancer(everything):
    return everything[0]


@pytest.fixture
def nodes(everything):
    return everything[1]


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
    done = balancer.reload()
    assert done.returncode == 0
    assert "starts without the state" in done.stdout
    assert not state.exists()


def test_a_port_that_somebody_else_has_is_found_out_before_anything_happens(balancer, nodes, visits):
    with socket.create_server(("127.0.0.1", 0)) as taken, visits as names:
        port = taken.getsockname()[1]
        balancer.configure([nodes[0].variables], haproxy_lb_redirect_port=port)
        done = balancer.reload()
    assert done.returncode != 0
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in done.stderr
    assert set(names) == {"wcs1", "wcs2"}
    balancer.configure([nodes[0].variables])
    assert balancer.reload().returncode == 0
    assert {balancer.visit() for dummy in range(4)} == {"wcs1"}


def test_a_master_that_brings_up_no_worker_is_an_error(balancer, nodes):
    balancer.configure([node.variables for node in nodes], __haproxy_lb_reload_seconds=1)
    with subprocess.Popen(["sh", "-c", "trap '' USR2; echo; exec sleep 60"], stdout=subprocess.PIPE) as deaf:
        deaf.stdout.readline()
        done = balancer.reload(deaf.pid)
        deaf.kill()
    assert done.returncode != 0
    assert "No worker came up" in done.stderr
