# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pool takes a WebSocket, which node brings a client back to, and what a full, drained or dead node does to it: on a real haproxy."""

from __future__ import annotations

import contextlib

import pytest
from ansible_collections.webcallserver.balancer.plugins.modules.haproxy_ready import follow
from ansible_collections.webcallserver.balancer.tests.integration.haproxy.balancer import HANDSHAKE, Node
from ansible_collections.webcallserver.balancer.tests.support.ports import free_port

HOST = HANDSHAKE[0]


@contextlib.contextmanager
def held(balancer, *headers, **options):
    """A WebSocket that stays; its value is the node that took it."""
    with balancer.connect(**options) as client:
        assert client.ask(*HANDSHAKE, *headers)[0] == 101
        yield client.stream.readline().decode().strip()


def as_host(name):
    return [f"Host: {name}", *HANDSHAKE[1:]]


def test_the_first_pool_that_matches_takes_it(running):
    port = free_port()
    balancer, _nodes, _web = running(
        *("default", "view", "publish", "port"),
        pools=[
            {"name": "view", "servers": ["view"], "paths": ["/view"]},
            {"name": "publish", "servers": ["publish"], "hosts": ["publish.example.com"]},
            {"name": "port", "servers": ["port"], "ports": [port], "paths": ["/a", "/b"]},
        ],
    )
    assert [balancer.visit(path=path) for path in ("/", "/view", "/view/1?a=b", "/view?a", "/viewer")] == ["default", "view", "view", "view", "default"]
    names = ("publish.example.com", "PUBLISH.example.com:443", "apublish.example.com", "x.publish.example.com")
    assert [balancer.visit(*as_host(name)) for name in names] == ["publish", "publish", "default", "default"]
    assert balancer.visit(*as_host("publish.example.com"), path="/view") == "view"
    assert [balancer.visit(port=port, path=path) for path in ("/", "/a", "/b/c", "/view")] == ["default", "port", "port", "view"]
    # Pages are none of the pools' business
    assert balancer.visit("Host: publish.example.com", path="/view") == 200


def test_where_there_is_no_default_pool_the_last_one_takes_the_rest(running):
    pools = [{"name": "view", "servers": ["view"], "paths": ["/view"]}, {"name": "rest", "servers": ["rest"], "paths": ["/rest"]}]
    balancer, _nodes, _web = running("view", "rest", pools=pools)
    assert [balancer.visit(path=path) for path in ("/view", "/rest", "/")] == ["view", "rest", "rest"]


def test_others_stand_in_for_a_pool_that_is_down_or_full(running):
    pools = [
        {"name": "view", "servers": ["view"], "paths": ["/view"], "maxconn": 1, "fallback": ["spare", "default"]},
        {"name": "spare", "servers": ["spare"], "maxconn": 1},
    ]
    balancer, nodes, _web = running("default", "view", "spare", pools=pools)
    assert balancer.visit(path="/view") == "view"
    with balancer.connect() as first:
        assert first.ask(*HANDSHAKE, path="/view")[0] == 101
        assert balancer.visit(path="/view") == "spare"
        with balancer.connect() as second:
            assert second.ask(*HANDSHAKE, path="/view")[0] == 101
            assert balancer.visit(path="/view") == "default"
    balancer.wait(lambda: balancer.visit(path="/view") == "view")
    nodes[1].status = b"503 Service Unavailable"
    balancer.wait(lambda: balancer.servers("wcs_back_view")["view"]["status"].startswith("DOWN"))
    assert balancer.visit(path="/view") == "spare"
    balancer.command("set server wcs_back_spare/spare state drain")
    assert balancer.visit(path="/view") == "default"


def test_what_has_the_same_path_or_parameter_meets(running):
    pools = [{"name": "rooms", "servers": ["wcs3", "wcs4"], "paths": ["/rooms"], "balance": "hash", "hash": "parameter:room"}]
    balancer, _nodes, _web = running("wcs1", "wcs2", "wcs3", "wcs4", pools=pools, haproxy_lb_balance="hash")
    for form, nodes in (("/{}", {"wcs1", "wcs2"}), ("/rooms?room={}", {"wcs3", "wcs4"})):
        taken = {number: {balancer.visit(path=form.format(number)) for _turn in range(3)} for number in range(20)}
        assert {len(found) for found in taken.values()} == {1}
        assert set.union(*taken.values()) == nodes


def test_an_open_port_is_enough_where_that_is_asked_for(running):
    balancer, nodes, _web = running("wcs1", haproxy_lb_check="tcp")
    nodes[0].status = b"503 Service Unavailable"
    assert balancer.servers()["wcs1"]["check_status"] == "L4OK"
    assert balancer.visit() == "wcs1"


# How a client makes itself known: the headers it sends, once it has been on a node, and where it comes from
KNOWN_BY = {
    "cookie": lambda number, node: ([f"Cookie: SERVERID={node}"], {}),
    "source": lambda number, node: ([], {"source": f"127.0.0.{number}"}),
    "header:X-User": lambda number, node: ([f"X-User: {number}"], {}),
}


@pytest.fixture(params=KNOWN_BY)
def client(request, running):
    """A client that was on a node, which is not the one whose turn it is after a reload, and what it takes to come again."""
    balancer, nodes, _web = running("wcs1", "wcs2", "wcs3", haproxy_lb_stickiness=request.param, haproxy_lb_maxconn=2)
    visits = ((balancer.visit(*HANDSHAKE, *headers, **options), number) for number in range(2, 20) for headers, options in [known(request, number, "nobody")])
    number = next(number for node, number in visits if node == "wcs3")
    headers, options = known(request, number, "wcs3")
    return balancer, nodes[2], headers, options


def known(request, number, node):
    return KNOWN_BY[request.param](number, node)


def again(balancer, headers, options, times=10):
    return [balancer.visit(*HANDSHAKE, *headers, **options) for dummy in range(times)]


def test_a_client_comes_back_to_its_node(client):
    balancer, node, headers, options = client
    assert again(balancer, headers, options, 100) == [node.name] * 100


def test_a_reload_forgets_no_client(client):
    balancer, node, headers, options = client
    for _dummy in range(3):
        assert balancer.reload().returncode == 0
        balancer.wait(balancer.settled)
        assert again(balancer, headers, options, 20) == [node.name] * 20


def test_a_client_does_not_wait_for_its_full_node_and_returns_to_it(client):
    balancer, node, headers, options = client
    with held(balancer, *headers, **options) as first, held(balancer, *headers, **options) as second:
        assert first == second == node.name
        taken = again(balancer, headers, options)
        assert set(taken) == {"wcs1", "wcs2", "wcs3"} - {node.name}
    balancer.wait(lambda: balancer.servers()[node.name]["scur"] == "0")
    assert again(balancer, headers, options) == [node.name] * 10


def test_a_client_stays_on_its_drained_node(client):
    balancer, node, headers, options = client
    balancer.command(f"set server wcs_back/{node.name} state drain")
    assert again(balancer, headers, options) == [node.name] * 10
    assert node.name not in {balancer.visit(host="::1") for dummy in range(10)}


def test_a_client_of_a_dead_node_goes_elsewhere(client):
    balancer, node, headers, options = client
    node.agent = b"down #full\n"
    balancer.wait(lambda: balancer.servers()[node.name]["status"].startswith("DOWN"))
    taken = again(balancer, headers, options)
    assert taken and node.name not in taken


def test_sessions_and_checks_follow_a_node_whose_ports_change(running):
    """As after a restart on other ports, before haproxy.cfg says so: without a reload, and the sessions that there are stay."""
    balancer, nodes, _web = running("stays", "moves")
    worker = balancer.pid()
    with contextlib.closing(Node("moved")) as moved, held(balancer) as first, held(balancer) as second:
        assert {first, second} == {"stays", "moves"}
        nodes[1].servers[0].close()
        nodes[1].servers[1].close()
        balancer.wait(lambda: balancer.servers()["moves"]["status"].startswith("DOWN"))
        follow(str(balancer.stats_socket), "moves", moved.variables["port"], moved.variables["check_port"])
        balancer.wait(lambda: balancer.servers()["moves"]["status"] == "UP")
        assert {balancer.visit(), balancer.visit()} == {"stays", "moved"}
        assert balancer.servers()["moves"]["addr"] == f"127.0.0.1:{moved.variables['port']}"
        # Told once more, it stays as it is, and so does a server of another name
        follow(str(balancer.stats_socket), "moves", moved.variables["port"], moved.variables["check_port"])
        follow(str(balancer.stats_socket), "elsewhere", 1, 1)
        assert balancer.servers()["stays"]["status"] == "UP"
        assert {balancer.visit(), balancer.visit()} == {"stays", "moved"}
    assert balancer.pid() == worker
