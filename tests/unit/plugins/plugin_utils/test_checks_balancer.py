# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a balancer: every mistake in one sentence that names the variable, all of them at once, and no text that HAProxy would read otherwise."""

from __future__ import annotations

import re
import time

import pytest
import yaml
from ansible_collections.webcallserver.balancer.plugins.plugin_utils.checks_balancer import balancer_plan, seen_of
from ansible_collections.webcallserver.balancer.plugins.plugin_utils.options import OptionsError, cast
from ansible_collections.webcallserver.balancer.tests.support.paths import ROLES

ROLE = ROLES / "haproxy_lb"
SPECS = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]["main"]["options"]
FILES = {"haproxy_lb_certificate": "a.crt", "haproxy_lb_chain": "ca.crt", "haproxy_lb_private_key": "a.key"}
A, B = {"name": "a", "address": "192.0.2.1"}, {"name": "b", "address": "192.0.2.2"}
POOL = {"name": "view", "servers": [B], "paths": ["/view"]}
LOOK = (
    "IPv6=yes\nDescriptors=1048576\nAddress=127.0.0.1\nAddress=192.0.2.9\nAddress=2001:db8::9\nNameserver=192.0.2.53\n"
    "Host=192.0.2.7 known.example.com known # us\n"
)


def planned(hostvars=None, groups=None, look=LOOK, host="lb1", secret="", **variables):
    """The plan for these variables, every other one as by default."""
    given = {"domain": "wcs.example.com", "servers": [A]} | variables
    options = cast(SPECS, FILES | {f"haproxy_lb_{name}": value for name, value in given.items()})
    options = {name.removeprefix("haproxy_lb_"): value for name, value in options.items()}
    certificates = [{"name": options["domain"].replace(":", "-")}, *options["extra_certificates"]]
    return balancer_plan(options, hostvars or {}, groups or {}, host, look=look, certificates=certificates, secret=secret)


def problems(**variables):
    try:
        return " ".join(planned(**variables)["problems"])
    except OptionsError as error:
        return str(error)


def test_nothing_is_wrong_with_the_defaults():
    plan = planned()
    assert (plan["problems"], plan["notes"]) == ([], [])


def test_every_problem_is_told_at_once():
    text = problems(timeout_tunnel="25d", bind=["::1%eth0"], web_address="127.0.0.1:99999", origins=["x"], proxies=["::/0"], redirect_port=443, port=443)
    for variable in ("timeout_tunnel", "bind", "web_address", "origins", "proxies", "redirect_port"):
        assert text.count(f"haproxy_lb_{variable}") == 1, text


HOSTILE = {
    "newline": "{}\n    server evil 192.0.2.66:1",
    "newline at the end": "{}\n",
    "carriage return": "{}\r",
    "quote": '{}"',
    "apostrophe": "{}'",
    "blank": "{} x",
    "hash": "{}#x",
    "template": "{}{{{{ 7 * 7 }}}}",
    "zone": "{}%eth0\n",
    "NUL": "{}\0",
    "10 kB": "{}" + 10_000 * "a",
    "backslash": "{}\\x20x",
    "dollar": "{}$HOME",
    "dollar in braces": "{}${{HOME}}",
    "percent": "{}%[env(HOME)]",
    "unicode digits": "{}\u0661\u0662",
    "unicode letters": "{}stra\u00dfe\u2028x",
    "comma and brackets": "{}),(a",
}

# Every text among the options, around a value of which the hostile ones are made
TEXTS = {
    "domain": ("wcs.example.com", lambda value: {"domain": value}),
    "certificate's name": ("rsa", lambda value: {"extra_certificates": [{"name": value, "certificate": "a", "chain": "b", "private_key": "c"}]}),
    "certificate's domain": (
        "a.example.com",
        lambda value: {"extra_certificates": [{"name": "n", "domain": value, "certificate": "a", "chain": "b", "private_key": "c"}]},
    ),
    "server's name": ("a", lambda value: {"servers": [A | {"name": value}]}),
    "server's address": ("192.0.2.1", lambda value: {"servers": [A | {"address": value}]}),
    "server's IPv6 address": ("fe80::1", lambda value: {"servers": [A | {"address": value}]}),
    "server's host name": ("a.example.com", lambda value: {"servers": [A | {"address": value}]}),
    "name of an inventory host": ("n1", lambda value: {"servers": [], "groups": {"wcs_nodes": [value]}, "hostvars": {value: {"ansible_host": "192.0.2.1"}}}),
    "address of an inventory host": (
        "192.0.2.1",
        lambda value: {"servers": [], "groups": {"wcs_nodes": ["n1"]}, "hostvars": {"n1": {"wcs_node_address": value}}},
    ),
    "port of an inventory host": ("8080", lambda value: {"servers": [], "groups": {"wcs_nodes": ["n1"]}, "hostvars": {"n1": {"wcs_node_ws_port": value}}}),
    "pool's name": ("view", lambda value: {"pools": [POOL | {"name": value}]}),
    "pool's path": ("/view", lambda value: {"pools": [POOL | {"paths": [value]}]}),
    "pool's host": ("v.example.com", lambda value: {"pools": [POOL | {"hosts": [value]}]}),
    "pool's fallback": ("default", lambda value: {"pools": [POOL | {"fallback": [value]}]}),
    "pool's hash": ("header:X-Room", lambda value: {"pools": [POOL | {"balance": "hash", "hash": value}]}),
    "pool's stickiness": ("header:X-User", lambda value: {"pools": [POOL | {"stickiness": value}]}),
    "pool's page": ("/stat", lambda value: {"pools": [POOL | {"check_uri": value}]}),
    "pool's group": ("edges", lambda value: {"pools": [POOL | {"servers": None, "group": value}]}),
    "hash": ("parameter:room", lambda value: {"balance": "hash", "hash": value}),
    "stickiness": ("header:X-User", lambda value: {"stickiness": value}),
    "balance": ("random", lambda value: {"balance": value}),
    "check": ("tcp", lambda value: {"check": value}),
    "page": ("/?action=stat", lambda value: {"check_uri": value}),
    "bind": ("192.0.2.9", lambda value: {"bind": [value]}),
    "IPv6 bind": ("::", lambda value: {"bind": [value]}),
    "web server": ("127.0.0.1:8180", lambda value: {"web_address": value}),
    "web server's name": ("web.example.com", lambda value: {"web_address": f"{value}:80"}),
    "origin": ("https://www.example.com", lambda value: {"origins": [value]}),
    "origin of an app": ("capacitor://localhost", lambda value: {"origins": [value]}),
    "origin with a wildcard": ("https://*.example.com", lambda value: {"origins": [value]}),
    "proxy": ("192.0.2.1", lambda value: {"proxies": [value]}),
    "IPv6 network of proxies": ("2001:db8::/32", lambda value: {"proxies": [value]}),
    "protocol of proxies": ("x_forwarded_for", lambda value: {"proxies_protocol": value}),
    "tunnel": ("1h", lambda value: {"timeout_tunnel": value}),
    "stop": ("12h", lambda value: {"hard_stop_after": value}),
    "package": ("haproxy", lambda value: {"package": value}),
    "firewall": ("none", lambda value: {"firewall": value}),
}


@pytest.mark.parametrize("text", TEXTS)
def test_a_sound_text_is_taken(text):
    """The refusals below would be worth nothing if everything were refused."""
    value, made = TEXTS[text]
    options = made(value)
    if text == "pool's group":
        options |= {"groups": {"edges": ["e1"]}, "hostvars": {"e1": {}}}
    assert problems(**options) == ""


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("text", TEXTS)
def test_a_hostile_text_is_refused_or_without_effect(text, hostile):
    value, made = TEXTS[text]
    written = HOSTILE[hostile].format(value)
    try:
        plan = planned(**made(written))
    except OptionsError as error:
        assert "haproxy_lb_" in str(error) or "of" in str(error)
        return
    if plan["problems"]:
        text = " ".join(plan["problems"])
        assert re.search(r"haproxy_lb_\w+|wcs_node_\w+|inventory", text)
        assert text.isascii() and text.isprintable() and len(text) < 1000
        return
    # What was taken is there as one word
    lines = [line for pool in plan["pools"] for line in pool["acls"] + pool["rules"] + pool["policy"] + [server["line"] for server in pool["servers"]]]
    lines += [*plan["origins"], *plan["binds"], plan["web"], plan["public"]["host"], *plan["bundles"]]
    assert all(line.isascii() and line.isprintable() and not set(line) & set("#\\$'") for line in lines), written


ORIGINS = {
    "https://WWW.example.com:443": "-i https://www.example.com",
    "http://www.example.com:80": "-i http://www.example.com",
    "http://localhost:3000": "-i http://localhost:3000",
    "https://[2001:db8::1]:8443": "-i https://[2001:db8::1]:8443",
    "https://xn--strae-oqa.example": "-i https://xn--strae-oqa.example",
    "capacitor://localhost": "-i capacitor://localhost",
    "ionic://localhost": "-i ionic://localhost",
    "app://.": "-i app://.",
    "app://-": "-i app://-",
    "tauri://localhost": "-i tauri://localhost",
    "file://": "-i file://",
    "chrome-extension://aapbdbdomjkkjkaonfhkkikfgjllcleb": "-i chrome-extension://aapbdbdomjkkjkaonfhkkikfgjllcleb",
    "https://*.example.com": "-i -m reg ^https://([a-z0-9_-]+[.])+example[.]com$",
    "https://*.example.com:8443": "-i -m reg ^https://([a-z0-9_-]+[.])+example[.]com:8443$",
}


@pytest.mark.parametrize(("given", "expected"), ORIGINS.items())
def test_origins(given, expected):
    assert planned(origins=[given])["origins"] == [expected]


@pytest.mark.parametrize(
    "given",
    ["null", "*", "www.example.com", "https://", "https://www.example.com/", "https://a/b", "https://*", "https://*.com:x", "https://*.*.a.b", "https://a*.b.c"]
    + ["capacitor://*.localhost", "https://a:99999", "https://stra\u00dfe.example", "https://a@b", "https://192.0.2.256", "://a", "1a://b"],
)
def test_origins_that_are_none(given):
    assert problems(origins=[given]).startswith("haproxy_lb_origins: ")


DURATIONS = {
    "1h": True, "24d": True, "25d": False, "596h": True, "597h": False, "2147483647ms": True, "2147483648ms": False, "2147484s": False, "35792m": False,
    "0s": False, "1.5h": False, "3600": False, "-1h": False, "1h ": False, "99999999999999999999d": False, "\u0661h": False, "": False,
}  # fmt: skip


@pytest.mark.parametrize("variable", ["timeout_tunnel", "hard_stop_after"])
@pytest.mark.parametrize(("value", "fits"), DURATIONS.items())
def test_durations(variable, value, fits):
    text = problems(**{variable: value})
    assert (text == "") == fits
    assert fits or text.startswith(f"haproxy_lb_{variable} is ")


WEB = {"127.0.0.1:8180": "127.0.0.1:8180", "[::1]:80": "[::1]:80", "known.example.com:80": "known.example.com:80 init-addr libc,last,none"}


@pytest.mark.parametrize(("given", "expected"), [*WEB.items(), ("web.example.com:80", "web.example.com:80 resolvers host init-addr last,libc,none")])
def test_the_web_server(given, expected):
    assert planned(web_address=given)["web"] == expected


@pytest.mark.parametrize(
    "given", ["127.0.0.1", "127.0.0.1:99999", "127.0.0.1:0", ":80", "::1:80", "[::1%lo]:80", "a b:80", "unix@/x:1", "127.0.0.1:80:90", "[a]:80"]
)
def test_web_servers_that_are_none(given):
    assert problems(web_address=given).startswith("haproxy_lb_web_address: ")


MET = {
    "the port of the binds": {"web_address": "127.0.0.1:443"},
    "another port": {"port": 8180},
    "the redirect": {"redirect_port": 8180},
    "by name": {"web_address": "localhost:80"},
    "this host's own address": {"web_address": "192.0.2.9:443"},
    "IPv6": {"web_address": "[::1]:443"},
    "where it listens alone": {"web_address": "127.0.0.1:443", "bind": ["127.0.0.1"]},
}


@pytest.mark.parametrize("options", MET.values(), ids=MET)
def test_a_web_server_where_haproxy_itself_listens_is_refused(options):
    assert "where HAProxy itself listens" in problems(**options)


@pytest.mark.parametrize(
    "options",
    [
        {"web_address": "127.0.0.1:443", "bind": ["192.0.2.9"]},
        {"web_address": "192.0.2.77:443"},
        {"web_address": "127.0.0.1:80", "redirect": False},
        {"web_address": "[::1]:443", "bind": ["0.0.0.0"]},
    ],
)
def test_a_web_server_beside_haproxy_is_not(options):
    planned(**options)


def test_what_has_an_ipv6_address_is_out_of_reach_without_ipv6():
    look = "IPv6=no\nDescriptors=1048576\n"
    assert problems(look=look, web_address="[2001:db8::1]:80").startswith("haproxy_lb_web_address: the kernel of this host has no IPv6")
    assert problems(look=look, servers=[A | {"address": "2001:db8::1"}, B]).startswith("a: the kernel of this host has no IPv6")


def test_an_address_of_one_link_is_refused():
    assert "fe80::1 is of one link alone" in problems(bind=["fe80::1"])


def test_names_are_followed_in_dns_unless_the_host_knows_them():
    plan = planned(servers=[A | {"address": "n.example.com"}, B | {"address": "Known"}])
    assert [server["line"].rpartition(" agent-port 9707")[2] for server in plan["servers"]] == [
        " resolvers host init-addr last,libc,none",
        " init-addr libc,last,none",
    ]
    assert plan["resolvers"]
    assert list(plan["names"]) == ["Known", "n.example.com"]
    assert not planned()["resolvers"]
    assert "no nameserver" in problems(web_address="a.example.com:80", look="IPv6=yes")


def test_a_host_without_ipv6_listens_on_what_there_is():
    look = "IPv6=no\nDescriptors=1048576\n"
    assert planned(look=look)["binds"] == ["0.0.0.0:443"]
    assert planned(look=look)["redirect_binds"] == ["0.0.0.0:80"]
    assert "haproxy_lb_bind has ::1, but the kernel of this host has no IPv6" in problems(look=look, bind=["0.0.0.0", "::1"])
    assert "haproxy_lb_bind has ::," in problems(look=look, bind=["::"])


def test_addresses_that_the_host_does_not_have():
    assert problems(bind=["192.0.2.9", "2001:db8:0::9", "127.0.0.2"]) == ""
    assert "haproxy_lb_bind: 192.0.2.8 is no address of this host" in problems(bind=["192.0.2.9", "192.0.2.8"])
    assert problems(bind=["192.0.2.8"], look=LOOK + "NonLocalBind=1\n") == ""
    assert problems(bind=["192.0.2.8"], look="") == ""


def nodes(number):
    return {f"n{index}": {"ansible_host": f"10.{index >> 16}.{index >> 8 & 255}.{index & 255}"} for index in range(number)}


DESCRIPTORS = {
    "room for all": (10, 1_048_576, [], False),
    "room for some": (10, 20_000, [], True),
    "no room for the checks": (5000, 20_000, ["HAProxy needs 20504 file descriptors for checks and agents of 5000 nodes alone"], False),
    "not known": (5000, None, [], False),
}


@pytest.mark.parametrize(("number", "granted", "refused", "noted"), DESCRIPTORS.values(), ids=DESCRIPTORS)
def test_descriptors(number, granted, refused, noted):
    hosts = nodes(number)
    plan = planned(servers=[], hostvars=hosts, groups={"wcs_nodes": list(hosts)}, look=f"IPv6=yes\nDescriptors={granted}\n" if granted else "")
    assert [problem[: len(text)] for problem, text in zip(plan["problems"], refused)] == refused
    assert bool(plan["notes"]) == noted
    assert len(plan["problems"]) == len(refused)


OVERLAPS = {
    "the same group": ({}, {}, 2),
    "a group within the other": ({}, {"haproxy_lb_nodes_group": "eu"}, 2),
    "groups that have nothing in common": ({"haproxy_lb_nodes_group": "eu"}, {"haproxy_lb_nodes_group": "us"}, 1),
    "a server that is spelled out": ({}, {"haproxy_lb_servers": [{"name": "x", "address": "192.0.2.1"}]}, 2),
    "a server of another kind": ({}, {"haproxy_lb_servers": [{"name": "x", "address": "192.0.2.9"}]}, 1),
    "a pool of the other": ({}, {"haproxy_lb_nodes_group": "us", "haproxy_lb_pools": [{"name": "p", "group": "eu"}]}, 2),
    "servers of a pool": (
        {"haproxy_lb_nodes_group": "eu"},
        {"haproxy_lb_nodes_group": "us", "haproxy_lb_pools": [{"name": "p", "servers": [{"name": "n1"}]}]},
        2,
    ),
}


@pytest.mark.parametrize(("own", "others", "count"), OVERLAPS.values(), ids=OVERLAPS)
def test_balancers_whose_nodes_overlap_share_them(own, others, count):
    hostvars = {"n1": {"ansible_host": "192.0.2.1"}, "n2": {"ansible_host": "192.0.2.2"}, "lb1": own, "lb2": others}
    groups = {"wcs_nodes": ["n1", "n2"], "eu": ["n1"], "us": ["n2"], "wcs_balancers": ["lb1", "lb2"]}
    found = planned(servers=[], hostvars=hostvars, groups=groups, nodes_group=own.get("haproxy_lb_nodes_group", "wcs_nodes"))
    assert found["servers"][0]["maxconn"] == 4000 // count


def test_several_balancers_share_out_what_a_node_may_hold():
    inventory = {"lb1": {}, "lb2": {}, "other": {"haproxy_lb_nodes_group": "others"}, "n1": {"haproxy_lb_maxconn": 3}, "n2": {}}
    groups = {"wcs_balancers": ["lb1", "lb2", "other"], "wcs_nodes": ["n1", "n2"]}

    def shares(**variables):
        return [server["maxconn"] for server in planned(servers=[], hostvars=inventory, groups=groups, **variables)["servers"]]

    assert shares() == [1, 2000]
    assert shares(active_balancers=1) == [3, 4000]
    assert shares(active_balancers=5) == [1, 800]
    assert shares(host="lb9") == [3, 4000]
    assert shares(balancers_group="none") == [3, 4000]


def test_cookies_are_not_guessed():
    def values(secret, stickiness="cookie"):
        return [server["line"].rpartition(" cookie ")[2] for server in planned(servers=[A, B], stickiness=stickiness, secret=secret)["servers"]]

    assert values("") == ["a", "b"]
    assert values("key") == values("key") != values("another key")
    assert len({*values("key"), *values("another key")}) == 4
    assert all(re.fullmatch("[0-9a-f]{24}", value) for value in values("key"))


PUBLIC = {
    "as it is": ({}, {"host": "wcs.example.com", "hosts": [], "port": ""}),
    "another port": ({"port": 8443}, {"host": "wcs.example.com", "hosts": [], "port": ":8443"}),
    "behind NAT": ({"port": 8443, "public_port": 443}, {"host": "wcs.example.com", "hosts": [], "port": ""}),
    "names of pools": ({"pools": [POOL | {"hosts": ["v.example.com"]}]}, {"host": "wcs.example.com", "hosts": ["v.example.com"], "port": ""}),
    "an address": ({"domain": "2001:db8::1"}, {"host": "[2001:db8::1]", "hosts": [], "port": ""}),
}


@pytest.mark.parametrize(("variables", "expected"), PUBLIC.values(), ids=PUBLIC)
def test_where_the_redirect_leads(variables, expected):
    plan = planned(**variables)
    assert (plan["problems"], plan["public"]) == ([], expected)


EXTRA = {
    "a section in global": ({"extra_global": "tune.bufsize 32768\nlisten x\n"}, "haproxy_lb_extra_global begins a section with 'listen'"),
    "a section in a backend": ({"extra_backend": "  backend y"}, "haproxy_lb_extra_backend begins a section with 'backend'"),
    "no section": ({"extra_sections": "bind :80"}, "haproxy_lb_extra_sections begins with 'bind', which is no section"),
    "NUL": ({"extra_frontend": "http-request deny\0"}, "haproxy_lb_extra_frontend has control characters"),
    "line separator": ({"extra_defaults": "timeout connect 1s\u2028x"}, "haproxy_lb_extra_defaults has control characters"),
}


@pytest.mark.parametrize(("variables", "message"), EXTRA.values(), ids=EXTRA)
def test_lines_that_cannot_stand_there(variables, message):
    assert problems(**variables).startswith(message)


def test_lines_of_ones_own():
    plan = planned(extra_frontend="# mine\r\n\n  http-request deny if { path /x }\n", extra_sections="listen s\n    bind :8404\n")
    assert plan["extra"]["frontend"] == ["# mine", "http-request deny if { path /x }"]
    assert plan["extra"]["sections"] == ["listen s", "    bind :8404"]


def test_no_more_certificates_than_a_line_holds():
    made = [{"name": f"n{number}", "certificate": "a", "chain": "b", "private_key": "c"} for number in range(26)]
    assert problems(extra_certificates=made[:25]) == ""
    assert problems(extra_certificates=made).startswith("haproxy_lb_extra_certificates has 26 certificates, HAProxy takes 25")


def test_a_look_without_sense_is_no_look():
    assert seen_of("x\nDescriptors=\u0661\nAddress=fe80::1%a\nHost=1\nIPv6=") == seen_of("Nothing=")


def test_five_thousand_nodes_are_quick():
    hosts = nodes(5000)
    start = time.process_time()
    planned(servers=[], hostvars=hosts, groups={"wcs_nodes": list(hosts)})
    assert time.process_time() - start < 3
