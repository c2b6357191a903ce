# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a visit has shown, judged: each row where it is green, and each where it is red."""

from __future__ import annotations

import copy
import re

import pytest
from ansible_collections.webcallserver.balancer.plugins.plugin_utils.report import closed_ports, place, report
from ansible_collections.webcallserver.balancer.tests.support.paths import CHECKOUT

FORGED = "192.0.2.66"
WELL = {"problem": "", "detail": ""}
IN_FORCE = {"in_force": True, "reasons": []}
CERTIFICATE = {"sha256": "00", "serial": "04", "not_after": "2027-01-01", "days_left": 63, "percent_left": 70}
# Of each row one that is green, when nothing is wrong
ROWS = {
    ("lb1 -> wcs1", "view of HAProxy"),
    ("lb1 -> wcs2", "view of HAProxy"),
    ("lb1", "haproxy in force"),
    ("lb1", "nginx in force"),
    ("here -> lb1", "page over TLS"),
    ("here -> lb1", "certificate"),
    ("here -> lb1", "WebSockets"),
    ("here -> wcs1", "ports"),
    ("wcs1", "statistics"),
    ("wcs1", "address of the client in sessionId"),
    ("wcs1", "agent in force"),
    ("wcs1", "wcs in force"),
    ("wcs1", "ports in force"),
    ("wcs2", "statistics"),
    ("wcs2", "address of the client in sessionId"),
    ("all nodes", "sessions of the visit"),
}


def session(client, node="10.89.0.11"):
    return {"sessionId": f"/{client}/{node}:8080-0b3f"}


def server(name, **changes):
    return {"name": name, "backend": "wcs_back", "status": "UP", "weight": 100, "agent_status": "L7OK", "last_agt": "via agent : up"} | changes


def seen():
    """Return what is seen of two nodes and a balancer that are well, and of a visit from 10.89.0.1."""
    visit = {
        "page": {"status": 200, "size": 6021},
        "certificate": dict(CERTIFICATE),
        "sessions": [{"address": "10.89.0.1:5001", "answer": "getUserData"}, {"address": "10.89.0.1:5002", "answer": "getUserData"}],
        "ports": [{"host": "wcs1", "name": "ws", "port": 8080, "state": "closed"}, {"host": "wcs1", "name": "agent", "port": 9707, "state": "known"}],
    }
    found = {
        "lb1": {
            "ansible_host": "10.89.0.10",
            "wcs_verify_asked": WELL,
            "wcs_verify_haproxy": {"servers": [server("wcs1"), server("wcs2"), server("pages", backend="wcs_web", status="no check")]},
            "wcs_verify_haproxy_in_force": dict(IN_FORCE),
            "wcs_verify_nginx_in_force": dict(IN_FORCE),
            "wcs_verify_visit": visit,
        }
    }
    for number, name in enumerate(("wcs1", "wcs2"), 1):
        found[name] = {
            "ansible_host": f"10.89.0.1{number}",
            "wcs_verify_asked": WELL,
            "wcs_verify_node": {"statistics": {"connection": {"connections_websocket": 1}}, "connections": [session(f"10.89.0.1:500{number}")]},
        }
    found["wcs1"] |= {
        "wcs_verify_agent_in_force": dict(IN_FORCE),
        "wcs_verify_wcs": {"changed_keys": [], "pending_keys": [], "active": True},
        "wcs_verify_firewall": {"stdout_lines": ["ssh 22", "touched wcs_node nftables", "live wcs_node nftables 0123456789abcdef"]},
    }
    return copy.deepcopy(found)


def judge(found, balancers=("lb1",), nodes=("wcs1", "wcs2")):
    return report(found, list(balancers), list(nodes), FORGED)


def changed(*path):
    """Return what is seen when one thing of it is something else: the path to it, then its value; None removes it."""
    found = seen()
    *keys, last, value = path
    place_of = found
    for key in keys:
        place_of = place_of[key]
    if value is None:
        del place_of[last]
    else:
        place_of[last] = value
    return found


def wrong(found, **hosts):
    return {(row["where"], row["what"]) for row in judge(found, **hosts) if not row["ok"]}


def test_an_agent_that_is_being_asked_is_judged_by_its_last_answer():
    assert not wrong(changed(*HAPROXY, "servers", 0, server("wcs1", agent_status="* L7OK")))


def test_without_rules_of_ours_there_is_nothing_to_be_in_force():
    rows = {(row["where"], row["what"]) for row in judge(changed("wcs1", "wcs_verify_firewall", "stdout_lines", ["active ufw"]))}
    assert ("wcs1", "ports in force") not in rows


@pytest.mark.parametrize("given", ["10.0.9.0/24, 10.0.8.1", ["10.0.9.0/24", "10.0.8.1"], None, "", []])
def test_a_list_may_be_a_text_with_commas(given):
    (http,) = (
        door
        for door in closed_ports({"lb1": {"ansible_host": "10.0.0.1"}, "wcs1": {"wcs_node_admin_networks": given}}, ["lb1"], ["wcs1"])
        if door["name"] == "http"
    )
    assert http["known"] == ["10.0.0.1", *(["10.0.9.0/24", "10.0.8.1"] if given else [])]


def test_every_look_that_is_judged_is_one_that_the_playbook_takes():
    judged = set(re.findall(r"\b(wcs_verify_\w+)\b", (CHECKOUT / "plugins" / "plugin_utils" / "report.py").read_text(encoding="utf-8")))
    taken = set(re.findall(r"register: (wcs_verify_\w+)", (CHECKOUT / "playbooks" / "verify.yml").read_text(encoding="utf-8")))
    assert judged and judged <= taken


def test_all_is_well():
    assert {(row["where"], row["what"]): row["ok"] for row in judge(seen())} == dict.fromkeys(ROWS, True)


VISIT = ("lb1", "wcs_verify_visit")
HAPROXY = ("lb1", "wcs_verify_haproxy")
SESSIONS = "sessions of the visit"
HIDDEN = "address of the client in sessionId"
RED = {
    "a node is down": ((*HAPROXY, "servers", 0, server("wcs1", status="DOWN")), [("lb1 -> wcs1", "view of HAProxy")]),
    "a node in another pool is down": ((*HAPROXY, "servers", 1, server("wcs2", backend="wcs_back_edges", status="DOWN")), [("lb1 -> wcs2", "view of HAProxy")]),
    "properties that WCS has not read": (("wcs1", "wcs_verify_wcs", "pending_keys", ["ws.port"]), [("wcs1", "wcs in force")]),
    "properties that are not set": (("wcs1", "wcs_verify_wcs", "changed_keys", ["ws.map_custom_headers"]), [("wcs1", "wcs in force")]),
    "WCS is stopped": (("wcs1", "wcs_verify_wcs", "active", False), [("wcs1", "wcs in force")]),
    "properties that cannot be read": (("wcs1", "wcs_verify_wcs", {"failed": True, "msg": "it does not exist"}), [("wcs1", "wcs in force")]),
    "rules that are gone": (("wcs1", "wcs_verify_firewall", "stdout_lines", ["touched wcs_node nftables"]), [("wcs1", "ports in force")]),
    "some of the rules are gone": (
        ("wcs1", "wcs_verify_firewall", "stdout_lines", ["touched wcs_node ufw", "live wcs_node ufw some", "live wcs_node ufw 0123456789abcdef"]),
        [("wcs1", "ports in force")],
    ),
    "no rule of ufw is met": (
        ("wcs1", "wcs_verify_firewall", "stdout_lines", ["touched wcs_node ufw", "live wcs_node ufw past"]),
        [("wcs1", "ports in force")],
    ),
    "an agent that is being asked, and was not heard": (
        (*HAPROXY, "servers", 0, server("wcs1", agent_status="* L4CON")),
        [("lb1 -> wcs1", "view of HAProxy")],
    ),
    "a node whose checks fail": ((*HAPROXY, "servers", 0, server("wcs1", status="UP 1/2")), [("lb1 -> wcs1", "view of HAProxy")]),
    "an agent that is not heard": ((*HAPROXY, "servers", 0, server("wcs1", agent_status="L4CON")), [("lb1 -> wcs1", "view of HAProxy")]),
    "a drained node whose agent is gone": (
        (*HAPROXY, "servers", 0, server("wcs1", status="DRAIN", agent_status="L4TOUT")),
        [("lb1 -> wcs1", "view of HAProxy")],
    ),
    "a name that does not resolve": ((*HAPROXY, "servers", 0, server("wcs1", status="MAINT (resolution)")), [("lb1 -> wcs1", "view of HAProxy")]),
    "a balancer without nodes": ((*HAPROXY, "servers", []), [("lb1", "HAProxy")]),
    "a balancer that does not run": (("lb1", "wcs_verify_haproxy", {"failed": True, "msg": "HAProxy does not answer"}), [("lb1", "HAProxy")]),
    "haproxy runs on another file": (("lb1", "wcs_verify_haproxy_in_force", {"in_force": False, "reasons": ["x is gone"]}), [("lb1", "haproxy in force")]),
    "nginx cannot be looked at": (("lb1", "wcs_verify_nginx_in_force", {"failed": True, "msg": "no"}), [("lb1", "nginx in force")]),
    "an agent runs on another file": (("wcs1", "wcs_verify_agent_in_force", {"in_force": False, "reasons": ["x"]}), [("wcs1", "agent in force")]),
    "no page": ((*VISIT, "page", {"status": 503, "size": 107}), [("here -> lb1", "page over TLS")]),
    "a page that is not found": ((*VISIT, "page", {"status": 404, "size": 107}), [("here -> lb1", "page over TLS")]),
    "a certificate that ends soon": ((*VISIT, "certificate", CERTIFICATE | {"percent_left": 9}), [("here -> lb1", "certificate")]),
    "another answer than a session": ((*VISIT, "sessions", 0, "answer", "notifySessionFailed"), [("here -> lb1", "WebSockets")]),
    "a port that is open to strangers": ((*VISIT, "ports", 0, "state", "open"), [("here -> wcs1", "ports")]),
    "a visit that failed": (("lb1", "wcs_verify_visit", {"failed": True, "msg": "TLS to lb1: refused"}), [("here -> lb1", "page and WebSockets")]),
    "a balancer that cannot be reached": (("lb1", "wcs_verify_asked", {"problem": "unreachable", "detail": "timed out"}), [("lb1", "host")]),
    "a node without statistics": (("wcs1", "wcs_verify_node", "statistics", {}), [("wcs1", "statistics")]),
    "statistics of another kind": (("wcs1", "wcs_verify_node", "statistics", {"connection": {"connections_websocket": "x"}}), [("wcs1", "statistics")]),
    "a node that does not answer": (
        ("wcs1", "wcs_verify_node", {"failed": True, "msg": "WCS does not answer"}),
        [("wcs1", "statistics and sessions"), ("all nodes", SESSIONS)],
    ),
    "a node that cannot be reached": (
        ("wcs1", {"wcs_verify_asked": {"problem": "unreachable", "detail": "timed out"}}),
        [("wcs1", "host"), ("all nodes", SESSIONS)],
    ),
    "a node where Ansible is not root": (
        ("wcs2", {"wcs_verify_asked": {"problem": "rights", "detail": "sudo: a password is required"}}),
        [("wcs2", "host"), ("all nodes", SESSIONS)],
    ),
    "a forged address that is believed": (
        ("wcs1", "wcs_verify_node", "connections", [session("10.89.0.1:5001"), session(f"{FORGED}:6")]),
        [("wcs1", HIDDEN)],
    ),
    # 10.89.0.1 is in 10.89.0.10
    "the balancer's address in place of the client's": (
        ("wcs1", "wcs_verify_node", "connections", [session("10.89.0.10:40000")]),
        [("wcs1", HIDDEN), ("all nodes", SESSIONS)],
    ),
    "an address that only begins like ours": (("wcs1", "wcs_verify_node", "connections", [session("10.89.0.100:5001")]), [("all nodes", SESSIONS)]),
    "another port than ours": (("wcs1", "wcs_verify_node", "connections", [session("10.89.0.1:50010")]), [("all nodes", SESSIONS)]),
    "our address where the node's own stands": (("wcs1", "wcs_verify_node", "connections", [session("192.0.2.9:1", "10.89.0.1")]), [("all nodes", SESSIONS)]),
    "a session that is no text": (("wcs1", "wcs_verify_node", "connections", [{"sessionId": None}, {"sessionId": ["x"]}, {}]), [("all nodes", SESSIONS)]),
}


@pytest.mark.parametrize(("change", "rows"), RED.values(), ids=RED)
def test_what_is_wrong_is_red_and_nothing_else(change, rows):
    assert wrong(changed(*change)) == set(rows)


def test_every_row_has_been_seen_red():
    reds = {what for _change, rows in RED.values() for _where, what in rows}
    assert {what for _where, what in ROWS} <= reds


DRAINED = {
    "by its agent": (server("wcs1", status="DRAIN", last_agt="via agent : up drain #drained: kernel"), "drained by its agent: DRAIN"),
    "by hand": (server("wcs1", status="DRAIN"), "drained by hand on the balancer"),
    "in maintenance": (server("wcs1", status="MAINT"), "in maintenance by hand on the balancer"),
}


@pytest.mark.parametrize(("changed_server", "said"), DRAINED.values(), ids=DRAINED)
def test_what_somebody_wanted_is_said_and_not_red(changed_server, said):
    found = changed(*HAPROXY, "servers", 0, changed_server)
    assert wrong(found) == set()
    assert any(row["detail"].startswith(said) for row in judge(found))


def test_sessions_of_others_are_not_counted():
    found = changed("wcs1", "wcs_verify_node", "connections", [session("10.89.0.1:5001"), *(session(f"10.89.0.1{n}:{n}") for n in range(1, 43))])
    assert wrong(found) == set()
    assert "2 of 2" in next(row for row in judge(found) if row["what"] == SESSIONS)["detail"]


def test_hosts_that_a_limit_leaves_out_are_named_and_not_judged():
    found = seen()
    del found["wcs2"]["wcs_verify_asked"], found["wcs2"]["wcs_verify_node"]
    assert wrong(found) == set()
    assert judge(found)[-1]["detail"] == "--limit leaves out wcs2"
    # A node that is dead and left out is still judged by its balancer
    found["lb1"]["wcs_verify_haproxy"]["servers"][1] = server("wcs2", status="DOWN")
    assert wrong(found) == {("lb1 -> wcs2", "view of HAProxy")}


def test_only_nodes():
    found = seen()
    del found["lb1"]["wcs_verify_asked"]
    assert wrong(found) == set()


def test_workers_from_before_a_reload_are_told():
    rows = judge(changed(*HAPROXY, "old_workers", [{"pid": 1, "sessions": 30}, {"pid": 2, "sessions": 2}]))
    assert [row["detail"] for row in rows if row["what"] == "workers from before a reload"] == ["2 with 32 sessions to end"]


def test_what_others_wrote_is_one_printable_line():
    found = changed(*HAPROXY, "servers", 0, server("wcs1", last_agt="up\x1b[2J\r\nok    all is well\u2028" + "x" * 5000))
    line = next(row["line"] for row in judge(found) if row["where"] == "lb1 -> wcs1")
    assert line.isprintable() and len(line) < 300


PLACES = {
    "/192.0.2.7:49152/198.51.100.11:8080-0b3f": "192.0.2.7",
    "192.0.2.7:49152/198.51.100.11:8080-0b3f": "192.0.2.7",
    "/[2001:db8:0:0::7]:49152/[2001:db8::11]:8080-0b3f": "2001:db8::7",
    "/2001:db8:0:0:0:0:0:7:49152/x": "2001:db8::7",
    "/::ffff:192.0.2.7:49152/x": "192.0.2.7",
    "/name:49152/x": None,
    "": None,
    "/": None,
    "/:1/": None,
    "/192.0.2.7/x": None,
    "x" * 100000: None,
}


@pytest.mark.parametrize(("identifier", "address"), PLACES.items(), ids=[name[:40] for name in PLACES])
def test_where_a_session_comes_from(identifier, address):
    found = place(identifier)
    assert (found and (str(found[0]), found[1])) == (address and (address, 49152))


DOORS = {
    "plain": ({}, {"ws", "http", "agent"}),
    "no firewall of ours": ({"wcs_node_firewall": "none"}, set()),
    "a table of one's own": ({"wcs_node_ports": []}, set()),
    "the how-to's table": ({"wcs_node_ports_open_to_world": "true"}, set()),
    "a row for everyone": ({"wcs_node_ports_from": {"ws": ["everyone"]}}, {"http", "agent"}),
}


@pytest.mark.parametrize(("variables", "names"), DOORS.values(), ids=DOORS)
def test_ports_that_strangers_find_closed(variables, names):
    found = closed_ports({"lb1": {"ansible_host": "10.0.0.1"}, "wcs1": {"ansible_host": "10.0.0.11", **variables}}, ["lb1"], ["wcs1"])
    assert {door["name"] for door in found if door["host"] == "wcs1"} == names
    assert all("10.0.0.1" in door["known"] for door in found)


def test_those_who_may_are_known():
    node = {"wcs_node_admin_networks": ["10.9.0.0/16"], "wcs_node_agent_networks": ["10.8.0.0/16"], "wcs_node_agent_port": "9708"}
    found = {door["name"]: door for door in closed_ports({"lb1": {"haproxy_lb_web_address": "192.0.2.5:80"}, "wcs1": node}, ["lb1"], ["wcs1"])}
    assert set(found) == {"ws", "http", "agent"}
    assert ("10.9.0.0/16" in found["http"]["known"], "10.8.0.0/16" in found["agent"]["known"], found["agent"]["port"]) == (True, True, 9708)
