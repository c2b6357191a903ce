# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""New releases, ways back, and what goes wrong: the site serves on."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import tarfile
import urllib.request

import pytest
from ansible_collections.webcallserver.balancer.tests.support.fleet import recap

CONVERGE = "molecule/websdk_nginx/converge.yml"
PAGE = "examples/demo/streaming/two_way_streaming/two_way_streaming.html"
KEPT = "nginx keeps the configuration it had, the new one does not work"
ELSEWHERE = "websdk_nginx_index=/wcs/examples/demo/streaming/player/player.html"


def outcome(result):
    """Return by host what became of it."""
    return {host: "failed" if counts["failed"] else "changed" if counts["changed"] else "ok" for host, counts in recap(result.stdout).items()}


def converge(fleet, *arguments):
    """Run the role over all hosts; return what became of them, which is ok, changed or failed, and what each that failed said last."""
    result = fleet.play(CONVERGE, *arguments)
    found = set(outcome(result).values())
    failures = re.findall(r"^fatal: \[([\w-]+)\]: FAILED! => (.*)$", result.stdout, re.MULTILINE)
    return found, {host: json.loads(failure)["msg"] for host, failure in failures}


def served(fleet):
    """Return by host the release that is served and where its root leads."""
    found = {}
    for host in fleet.hosts:
        index = urllib.request.urlopen(f"http://{fleet.address(host)}/", timeout=10).url.partition("/wcs/")[2]
        found[host] = (fleet.run(host, "basename $(readlink /srv/wcs-web/wcs)"), index)
    return found


def releases(fleet):
    return {host: len(fleet.run(host, "ls /srv/wcs-web/releases").split()) for host in fleet.hosts}


def assert_last_good(fleet):
    for host in fleet.hosts:
        assert fleet.run(host, "cmp /etc/nginx/conf.d/wcs-web.conf /etc/nginx/wcs-web.conf.last-good && echo same") == "same"


@pytest.fixture
def broken_neighbour(fleet):
    for host in fleet.hosts:
        fleet.run(host, "echo 'server { nonsense; }' >/etc/nginx/conf.d/neighbour.conf")
    yield
    for host in fleet.hosts:
        fleet.run(host, "rm /etc/nginx/conf.d/neighbour.conf")


def test_a_broken_neighbour_stops_the_change_and_not_the_site(fleet, broken_neighbour):
    before = served(fleet)
    found, said = converge(fleet, "-e", ELSEWHERE)
    assert found == {"failed"}, said
    assert set(said) == set(before)
    for words in said.values():
        assert words.startswith(KEPT)
        assert 'unknown directive "nonsense" in /etc/nginx/conf.d/neighbour.conf:1' in words
    assert served(fleet) == before
    assert_last_good(fleet)


@pytest.fixture
def busy_port(fleet):
    for host in fleet.hosts:
        fleet.run(host, "systemd-run --quiet --unit busy python3 -m http.server --bind 127.0.0.1 8189")
    yield
    for host in fleet.hosts:
        fleet.run(host, "systemctl stop busy")


def test_a_busy_port_stops_the_change_and_not_the_site(fleet, busy_port):
    """nginx's test does not see it, and neither does who asks on another port: nginx goes on with what it has."""
    before = served(fleet)
    found, said = converge(fleet, "-e", ELSEWHERE, "-e", '{"websdk_nginx_listen": ["80", "127.0.0.1:8189"]}')
    assert found == {"failed"}, said
    assert set(said) == set(before)
    for words in said.values():
        assert words.startswith(KEPT)
        assert "bind() to 127.0.0.1:8189 failed (98: Address already in use)" in words
    assert served(fleet) == before
    assert_last_good(fleet)


def test_what_was_refused_leaves_nothing_behind(fleet):
    """After the two above: the next run has nothing but a reload to make up for."""
    before = served(fleet)
    found, said = converge(fleet)
    assert "failed" not in found, said
    assert served(fleet) == before


STOPPED = {
    "the site is written and not loaded": "sed -i 's#302 .*;#302 \"/wcs/stopped\";#' /etc/nginx/conf.d/wcs-web.conf",
    "the site is written and not loaded, and broken": "echo nonsense >/etc/nginx/conf.d/wcs-web.conf",
    "the site is loaded, and another's": "sed -i 's#302 .*;#302 \"/wcs/x\";#' /etc/nginx/conf.d/wcs-web.conf; systemctl reload nginx",
    "the site is gone": "rm /etc/nginx/conf.d/wcs-web.conf",
    "the unit's settings are gone": "rm /etc/systemd/system/nginx.service.d/wcs-web.conf",
    "systemd has not read the unit's settings": "sleep 1; touch /etc/systemd/system/nginx.service.d/wcs-web.conf",
    "nothing was noted": "rm /run/wcs-web.in-force",
    "a half release": "mkdir -p /srv/wcs-web/releases/.unpacking-x/examples; ln -s nowhere /srv/wcs-web/.wcs-x",
    "the link is gone": "rm /srv/wcs-web/wcs",
    "nginx does not run": "systemctl stop nginx",
    "nginx does not run at boot": "systemctl disable nginx",
    "the programs are gone": "rm -r /usr/local/lib/webcallserver-balancer",
}


def test_what_a_stopped_run_left_is_completed_by_the_next(fleet):
    """Each host has another case, until all had their turn: to have every case on all of them would take hours."""
    before = served(fleet)
    remaining = iter(STOPPED)
    while cases := dict(zip(fleet.hosts, itertools.islice(remaining, len(fleet.hosts)))):
        assert len(cases) == len(fleet.hosts)
        for host, case in cases.items():
            fleet.run(host, STOPPED[case])
        for arguments in (("--check",), ()):
            result = fleet.play(CONVERGE, *arguments)
            assert outcome(result) == dict.fromkeys(fleet.hosts, "changed"), (arguments, cases, result.stdout)
        for host in fleet.hosts:
            assert "OK" in fleet.run(host, "grep -v '^#' /run/wcs-web.in-force | sha256sum --check")
            assert fleet.run(host, "systemctl is-enabled nginx; LC_ALL=C ls -A /srv/wcs-web").split() == ["enabled", ".lock", "releases", "wcs"]
        assert served(fleet) == before
    assert converge(fleet)[0] == {"ok"}


def test_nginx_comes_up_again_however_often_it_is_killed(fleet):
    before = served(fleet)
    # There is none while systemd waits, and 0 would be the shell that asks
    kill = "pid=$(systemctl show nginx --property MainPID --value); [ $pid = 0 ] || kill -9 $pid; sleep 0.8"
    kills = f"for time in 1 2 3 4 5 6 7; do {kill}; done; timeout 60 sh -c 'until systemctl is-active nginx; do sleep 1; done'"
    fleet.each(fleet.hosts, lambda host: fleet.run(host, kills))
    assert served(fleet) == before
    assert converge(fleet)[0] == {"ok"}


def test_nginx_that_is_killed_while_it_starts_comes_up_again(fleet):
    """systemd would wait for another main process as long as a start may take, a minute and a half."""
    main, state = "systemctl show nginx --property MainPID --value", "systemctl show nginx --property SubState"
    kill = f'until pid=$({main}); [ "$pid" != 0 ] && {state} | grep -q start-post; do :; done; kill -9 $pid'
    wait = "until systemctl is-active nginx; do sleep 1; done"
    command = f"systemctl --no-block restart nginx; timeout 20 sh -c '{kill}' || :; timeout 30 sh -c '{wait}'"
    fleet.each(fleet.hosts, lambda host: fleet.run(host, command))
    assert converge(fleet)[0] == {"ok"}


@pytest.fixture
def next_release(websdk, tmp_path):
    """Return the arguments that serve the WebSDK with another version's number."""
    archive = tmp_path / "next.tgz"
    manifest = tmp_path / "package.json"
    manifest.write_text((websdk / "package.json").read_text().replace('"version": "2.0.276"', '"version": "2.0.277"'))
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(manifest, "package/package.json")
        packed.add(websdk / "flashphoner.js", "package/flashphoner.js")
        packed.add(websdk / "examples", "package/examples")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    return f"2.0.277-{digest[:12]}", ("-e", f"websdk_nginx_bundle={archive}", "-e", f"websdk_nginx_bundle_sha256={digest}")


def test_a_release_comes_goes_and_is_left_behind(fleet, next_release):
    newer, arguments = next_release
    older = next(iter(served(fleet).values()))[0]
    for wanted, kept, change in ((newer, 2, arguments), (older, 1, ("-e", f"websdk_nginx_release={older}", "-e", "websdk_nginx_keep_releases=1"))):
        found, said = converge(fleet, *change)
        assert found == {"changed"}, said
        assert served(fleet) == dict.fromkeys(fleet.hosts, (wanted, PAGE))
        assert releases(fleet) == dict.fromkeys(fleet.hosts, kept)
    found, said = converge(fleet, "-e", f"websdk_nginx_release={newer}")
    assert found == {"failed"}, said
    assert set(said) == set(fleet.hosts)
    assert all(older in words for words in said.values()), said
    assert served(fleet) == dict.fromkeys(fleet.hosts, (older, PAGE))
