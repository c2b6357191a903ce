# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role makes of its variables; what it cannot do it refuses in words that help."""

from __future__ import annotations

import pytest
from ansible_collections.webcallserver.balancer.tests.support import websdk
from ansible_collections.webcallserver.balancer.tests.support.websdk_nginx import ROLE, evaluate


@pytest.fixture(name="bundle")
def fixture_bundle(tmp_path):
    return websdk.pack(tmp_path / "websdk.tgz")


@pytest.fixture(name="problems")
def fixture_problems(bundle):
    """What the preflight complains about, with good settings but for those given."""

    def problems(**variables):
        good = {"websdk_nginx_bundle": str(bundle), "websdk_nginx_bundle_sha256": websdk.sha256(bundle)}
        return evaluate("{{ __websdk_nginx_problems }}", **{**good, **variables})

    return problems


# On the host of a balancer, by the groups of the inventory
BALANCER = {"inventory_hostname": "lb1", "groups": {"wcs_balancers": ["lb1"]}}
URL = "https://example.com/websdk.tgz"


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"websdk_nginx_bundle_sha256": "", "websdk_nginx_bundle_unverified": True},
        {"websdk_nginx_bundle": URL, "websdk_nginx_bundle_sha256": "A" * 64},
        {"websdk_nginx_bundle": "http://user@10.0.0.1:8000/a/b.tgz?token=1", "websdk_nginx_bundle_sha256": "A" * 64},
        {"websdk_nginx_bundle": "/root/websdk.tgz", "websdk_nginx_bundle_remote": True, "websdk_nginx_bundle_sha256": "a" * 64},
        {"websdk_nginx_bundle": "", "websdk_nginx_bundle_sha256": "", "websdk_nginx_release": "2.0.206-7d9863ae4de6"},
        *({"websdk_nginx_listen": listen} for listen in (["80"], ["*:80", "[::]:80"], ["0.0.0.0:80", "127.0.0.1:8080"], ["unix:/run/web.sock"], ["[::1]:80"])),
        {"websdk_nginx_root": "/srv/web/"},
        {"websdk_nginx_server_ports": {"wss": "8443"}},
        {"websdk_nginx_index": "/wcs/#a,b:c@d!"},
        {"websdk_nginx_listen": ["127.0.0.1:9000"], "haproxy_lb_web_address": "127.0.0.1:9000", **BALANCER},
        {"websdk_nginx_listen": ["9000"], "haproxy_lb_web_address": "localhost:9000", **BALANCER},
        {"websdk_nginx_listen": ["[::]:9000"], "haproxy_lb_web_address": "[::1]:9000", **BALANCER},
        {"websdk_nginx_listen": ["*:9000"], "haproxy_lb_web_address": "10.0.0.1:9000", **BALANCER},
        {"websdk_nginx_listen": ["10.0.0.1:9000"], "haproxy_lb_web_address": "10.0.0.2:9001", **BALANCER},
        BALANCER,
        # An inventory's variables for all hosts say nothing of this one
        {"websdk_nginx_listen": ["80"], "haproxy_lb_domain": "wcs.example.com", "haproxy_lb_web_address": "127.0.0.1:8180"},
        {"websdk_nginx_listen": ["80"], "inventory_hostname": "web1", "groups": {"wcs_balancers": ["lb1"]}},
        {"websdk_nginx_listen": ["80"], "inventory_hostname": "web1", "groups": {"edges": ["lb1"]}, "wcs_balancers_group": "edges"},
        {"websdk_nginx_server_ports": {}},
        {"websdk_nginx_headers": {}},
    ],
)
def test_good_settings_pass(problems, variables):
    assert problems(**variables) == []


@pytest.mark.parametrize(
    ("variables", "complaint"),
    [
        ({"ansible_facts": {"os_family": "Suse"}}, "This role knows the families Debian and RedHat, this host's is Suse."),
        (
            {"websdk_nginx_bundle": ""},
            "websdk_nginx_bundle is empty: name the WebSDK's archive, a path on the controller or an https:// address;"
            " for pages of your own leave this role out.",
        ),
        (
            {"websdk_nginx_bundle": "ftp://example.com/a.tgz"},
            "websdk_nginx_bundle is ftp://example.com/a.tgz: of addresses only https:// and http:// can be used.",
        ),
        (
            {"websdk_nginx_bundle": URL, "websdk_nginx_bundle_remote": True},
            "websdk_nginx_bundle is an address and websdk_nginx_bundle_remote says that it is a path: unset one of them.",
        ),
        (
            {"websdk_nginx_bundle": "websdk.tgz", "websdk_nginx_bundle_remote": True},
            "websdk_nginx_bundle is websdk.tgz: a path on the host has to be absolute.",
        ),
        (
            {"websdk_nginx_bundle": "/none.tgz"},
            "websdk_nginx_bundle is /none.tgz, and there is no such file on the controller: correct the path,"
            " or set websdk_nginx_bundle_remote to true when it is one on the host.",
        ),
        (
            {"websdk_nginx_bundle_sha256": ""},
            "websdk_nginx_bundle_sha256 is empty: give the archive's SHA-256, or set websdk_nginx_bundle_unverified to true to take whatever comes.",
        ),
        ({"websdk_nginx_bundle_sha256": "abc"}, "websdk_nginx_bundle_sha256 is abc: a SHA-256 has 64 hexadecimal digits."),
        (
            {"websdk_nginx_bundle_sha256": "0" * 64},
            "websdk_nginx_bundle is {bundle}, whose SHA-256 is {sha256} and not websdk_nginx_bundle_sha256:"
            " get the archive anew, or correct the checksum when it is the right one.",
        ),
        ({"websdk_nginx_release": "../x"}, "websdk_nginx_release is ../x: give the name of a directory in /srv/wcs-web/releases."),
        ({"websdk_nginx_keep_releases": 0}, "websdk_nginx_keep_releases is 0: at least 1, the release that is served, is kept."),
        *(
            ({"websdk_nginx_root": root}, f"websdk_nginx_root is {root}: give an absolute path of letters, digits and . + _ -.")
            for root in ("/", "srv/web", "/srv/../etc", "/srv/a b", "/srv/a;b", "/srv/a//")
        ),
        ({"websdk_nginx_listen": []}, "websdk_nginx_listen is empty: give at least one address:port, port or unix:/path."),
        (
            {"websdk_nginx_listen": ["[::1]:80", "80"], "look": ""},
            "websdk_nginx_listen has [::1]:80, and this host has no IPv6: leave it out, or switch IPv6 on.",
        ),
        (
            {"look": "family ipv6\nown /etc/nginx/sites-enabled/default"},
            "/etc/nginx/sites-enabled/default is a site of somebody's own, which would go out of force: give it another name there,"
            " or leave it alone with websdk_nginx_mask_default_site set to false.",
        ),
        (
            {"websdk_nginx_listen": ["80", "127.0.0.1:80", "*:80"]},
            "websdk_nginx_listen has 80 and *:80, which are the same to nginx: leave one of them out.",
        ),
        *(
            (
                {"websdk_nginx_listen": listen, **balancer},
                f"haproxy_lb_web_address is {expected}, where nginx does not listen (websdk_nginx_listen is {', '.join(listen)}):"
                " name the same address in both.",
            )
            for listen, balancer, expected in (
                (["127.0.0.1:9000"], BALANCER, "127.0.0.1:8180"),
                (["127.0.0.1:8180"], {"haproxy_lb_web_address": "127.0.0.1:9000", **BALANCER}, "127.0.0.1:9000"),
                (["127.0.0.1:8180"], {"haproxy_lb_web_address": "[::1]:8180", **BALANCER}, "[::1]:8180"),
                (["[::]:8180"], {"haproxy_lb_web_address": "127.0.0.1:8180", **BALANCER}, "127.0.0.1:8180"),
                (["10.0.0.1:80"], {"haproxy_lb_web_address": "10.0.0.1:8180", **BALANCER}, "10.0.0.1:8180"),
                (["10.0.0.1:80"], {"haproxy_lb_web_address": "localhost:80", **BALANCER}, "localhost:80"),
                (["80"], {"inventory_hostname": "a", "groups": {"edges": ["a"]}, "haproxy_lb_balancers_group": "edges"}, "127.0.0.1:8180"),
                (["80"], {"inventory_hostname": "a", "groups": {"edges": ["a"]}, "wcs_balancers_group": "edges"}, "127.0.0.1:8180"),
                (["unix:/run/a"], BALANCER, "127.0.0.1:8180"),
            )
        ),
        *(
            ({"websdk_nginx_server_ports": ports}, f"websdk_nginx_server_ports is {ports}: give ports from 1 to 65535 for http, https, ws or wss.")
            for ports in ({"wss": 0}, {"wss": 65536}, {"wss": "443;alert(1)"}, {"rtmp": 1935})
        ),
        *(
            ({"websdk_nginx_index": index}, f"websdk_nginx_index is {index}: give a path that begins with /.")
            for index in ("", "wcs/", "/a b", "/a;return 500", "/a'b", "/$host", "//example.com/", "https://example.com/")
        ),
        *(
            (
                {"websdk_nginx_headers": headers},
                f"websdk_nginx_headers has a name or a value that no header can have, in {next(iter(headers)) or ''}: "
                "names are letters, digits and -, values are one line of ASCII without a $.",
            )
            for headers in ({"X Y": "a"}, {"X": "a\nb"}, {"X;": "a"}, {"": "a"}, {"X": "$host"})
        ),
        ({"websdk_nginx_headers": {"X-A": "a", "x-a": "b"}}, "websdk_nginx_headers has x-a twice, in another case: leave one of them out."),
        ({"websdk_nginx_headers": {"Content-Length": "5"}}, "websdk_nginx_headers has Content-Length, which nginx sets itself: leave it out."),
        (
            {"websdk_nginx_headers": {"X-A": '"' * 1751}},
            "websdk_nginx_headers has more than 3500 characters for X-A: nginx takes no longer value.",
        ),
        (
            {"websdk_nginx_headers": {f"X-{number}": "a" * 3400 for number in range(3)}},
            "websdk_nginx_headers has more than 10000 characters in all: a balancer takes no longer answer.",
        ),
        *(
            ({"websdk_nginx_bundle": url}, f"websdk_nginx_bundle is {told}: {complaint}.")
            for url, told, complaint in (
                ("file:///x.tar.gz", "file:///x.tar.gz", "of addresses only https:// and http:// can be used"),
                ("ftp://user:secret@h/x?secret", "ftp://h/x", "of addresses only https:// and http:// can be used"),
                *(
                    (url, told, "that is no address of a file, write it as https://example.com/websdk.tgz")
                    for url, told in (
                        ("https://example.com", "https://example.com"),
                        ("https://user:secret@/x", "https:///x"),
                        ("http://h:99999/x?secret", "http://h:99999/x"),
                        ("http://h/a b", "http://h/a b"),
                        ("http://h/a\n", "http://h/a?"),
                    )
                ),
            )
        ),
    ],
)
def test_bad_settings_are_refused_with_a_remedy(problems, bundle, variables, complaint):
    assert problems(**variables) == [complaint.format(bundle=bundle, sha256=websdk.sha256(bundle)) if "{bundle}" in complaint else complaint]


@pytest.mark.parametrize(
    ("listen", "probes", "ports"),
    [
        (["127.0.0.1:8180"], ["127.0.0.1:8180"], ["8180"]),
        (["8080", "[::]:8080"], ["127.0.0.1:8080", "[::1]:8080"], ["8080"]),
        (["*:80", "127.0.0.1:8180"], ["127.0.0.1:80", "127.0.0.1:8180"], ["80", "8180"]),
        (["0.0.0.0:80"], ["127.0.0.1:80"], ["80"]),
        (["10.0.0.1:80"], ["10.0.0.1:80"], ["80"]),
        (["unix:/run/web.sock", "443"], ["unix:/run/web.sock", "127.0.0.1:443"], ["443"]),
    ],
)
def test_where_the_site_is_asked_and_what_selinux_is_told(listen, probes, ports):
    assert evaluate("{{ __websdk_nginx_probes }}", websdk_nginx_listen=listen) == probes
    assert evaluate("{{ __websdk_nginx_ports }}", websdk_nginx_listen=listen) == ports


@pytest.mark.parametrize(
    ("family", "masked", "main"),
    [("Debian", True, "/etc/nginx/nginx.conf"), ("RedHat", False, "/etc/nginx/nginx.conf"), ("RedHat", True, "/etc/nginx/wcs-web-nginx.conf")],
)
def test_which_file_nginx_is_tested_with(family, masked, main):
    assert evaluate("{{ __websdk_nginx_main }}", ansible_facts={"os_family": family}, websdk_nginx_mask_default_site=masked) == main


@pytest.mark.parametrize("family", ["Debian", "RedHat"])
@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("systemd", [247, 252, 254, 257])
def test_what_the_unit_is_given(family, masked, systemd):
    source = (ROLE / "templates" / "nginx.service.conf.j2").read_text(encoding="utf-8")
    listen = ["127.0.0.1:80", "unix:/run/a.sock", "unix:/run/b.sock"]
    facts = {"os_family": family, "systemd": {"version": systemd}}
    unit = evaluate(source, file=True, ansible_facts=facts, websdk_nginx_mask_default_site=masked, websdk_nginx_listen=listen).splitlines()
    main = "/etc/nginx/wcs-web-nginx.conf" if (family, masked) == ("RedHat", True) else "/etc/nginx/nginx.conf"
    files = f"/etc/nginx/conf.d/wcs-web.conf {main}" + (" /etc/nginx/sites-enabled/default" if (family, masked) == ("Debian", True) else "")
    programs = "/usr/local/lib/webcallserver-balancer"
    arguments = f"{main} /run/wcs-web.in-force /etc/nginx/wcs-web.conf.last-good {files}"
    assert [*unit[-7:-4], *unit[-2:]] == [
        "# Which files nginx was loaded from, for those who compare",
        f"ExecStartPre=-/bin/sh {programs}/in-force take /run/wcs-web.in-force {files}",
        f"ExecStartPost=-/usr/bin/python3 -I {programs}/nginx_web.py started {arguments}",
        "ExecReload=",
        f"ExecReload=/usr/bin/python3 -I {programs}/nginx_web.py reload {arguments}",
    ]
    assert [line for line in unit if "rm -f /run/" in line and ".sock" in line] == [f"ExecStartPre=-/bin/rm -f /run/{name}.sock" for name in ("a", "b")]
    assert (f"ExecStart=/usr/sbin/nginx -c {main}" in unit) is (main != "/etc/nginx/nginx.conf")
    assert {"StartLimitIntervalSec=0", "Restart=always", "RestartSec=1"} <= set(unit)
    # A systemd that does not know them would warn of them
    assert ({"RestartSteps=8", "RestartMaxDelaySec=30"} <= set(unit)) is (systemd >= 254)


STARTED = {
    "": "/etc/nginx/nginx.conf",
    "nginx: master process /usr/sbin/nginx": "/etc/nginx/nginx.conf",
    "nginx: master process /usr/sbin/nginx -g daemon on; master_process on;": "/etc/nginx/nginx.conf",
    "nginx: master process /usr/sbin/nginx -c /etc/nginx/wcs-web-nginx.conf": "/etc/nginx/wcs-web-nginx.conf",
}


@pytest.mark.parametrize("family", ["Debian", "RedHat"])
@pytest.mark.parametrize("command", STARTED)
@pytest.mark.parametrize(
    ("active", "in_force", "rendered", "checking", "state"),
    [
        (True, True, False, False, "started"),
        (True, False, False, False, "reloaded"),
        (True, True, True, False, "started"),
        # Nothing was written that it could run on
        (True, True, True, True, "reloaded"),
        (False, False, False, False, "restarted"),
    ],
)
def test_what_nginx_has_to_do_is_decided_by_what_it_runs_on(family, command, active, in_force, rendered, checking, state):
    seen = {
        "ansible_check_mode": checking,
        "ansible_facts": {"os_family": family},
        "__websdk_nginx_started": {"stdout": command} if family == "RedHat" else {"changed": False, "skipped": True},
        "__websdk_nginx_running": {"active": active, "in_force": in_force},
        "__websdk_nginx_rendered": {"changed": rendered},
    }
    other = family == "RedHat" and STARTED[command] != "/etc/nginx/wcs-web-nginx.conf"
    assert evaluate("{{ __websdk_nginx_state }}", **seen) == ("restarted" if other else state)
    assert evaluate("{{ __websdk_nginx_differs }}", **seen) is (other or state != "started")
