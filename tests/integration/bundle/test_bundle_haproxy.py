# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every bundle that the module accepts loads in a real HAProxy, which serves it to clients that verify it."""

from __future__ import annotations

import contextlib
import hashlib
import re
import socket
import ssl
import subprocess

import pytest
from ansible_collections.webcallserver.balancer.tests.support.bundle.authorities import house
from ansible_collections.webcallserver.balancer.tests.support.bundle.cases import ACCEPTED, REFUSED
from ansible_collections.webcallserver.balancer.tests.support.bundle.forms import FORMS
from ansible_collections.webcallserver.balancer.tests.support.bundle.running import on_disk, run
from ansible_collections.webcallserver.balancer.tests.support.waiting import until

CONFIGURATION = """\
defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("haproxy")


@pytest.fixture(scope="module")
def results(place):
    """Every accepted case, with the result of the module; its bundle is CASE.pem."""
    found = {}
    for number, case in enumerate(ACCEPTED):
        found[case.name] = run(on_disk(place, {**case.options(house()), "path": str(place / f"{number}.pem")}))
        assert found[case.name]["changed"] is True
    return found


def configuration(place, numbers) -> str:
    binds = [f"frontend f{number}\n    bind unix@{place}/{number}.sock ssl crt {place}/{number}.pem\n" for number in numbers]
    (place / "haproxy.cfg").write_text(CONFIGURATION + "".join(binds))
    return str(place / "haproxy.cfg")


@pytest.fixture(scope="module")
def haproxy(place, results):
    """HAProxy with a socket for each bundle."""
    command = ["haproxy", "-db", "-f", configuration(place, range(len(ACCEPTED)))]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        until((place / f"{len(ACCEPTED) - 1}.sock").exists, 20)
        yield process
        process.terminate()


@contextlib.contextmanager
def connected(place, number, context, domain=None):
    with socket.socket(socket.AF_UNIX) as plain:
        plain.settimeout(10)
        plain.connect(str(place / f"{number}.sock"))
        with context.wrap_socket(plain, server_hostname=domain) as secure:
            yield secure


def test_loads(place, results):
    done = subprocess.run(["haproxy", "-c", "-f", configuration(place, range(len(ACCEPTED)))], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_bundle_that_does_not_load(place):
    """The key of another certificate: this is how HAProxy would say it, at its next reload."""
    (place / "wrong.pem").write_bytes(house().leaf.pem + house().stranger.key)
    done = subprocess.run(["haproxy", "-c", "-f", configuration(place, ["wrong"])], capture_output=True, text=True, check=False)
    assert done.returncode == 1


@pytest.mark.parametrize("number", range(len(ACCEPTED)), ids=[case.name for case in ACCEPTED])
def test_is_served(number, place, results, haproxy):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with connected(place, number, context) as secure:
        served = hashlib.sha256(secure.getpeercert(binary_form=True)).digest().hex(":").upper()
    assert served == results[ACCEPTED[number].name]["fingerprint"]


@pytest.mark.parametrize("number", range(len(ACCEPTED)), ids=[case.name for case in ACCEPTED])
def test_chain_is_served_in_order(number, place, haproxy):
    command = ["openssl", "s_client", "-unix", str(place / f"{number}.sock"), "-showcerts"]
    shown = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False).stdout
    blocks = re.findall(r"-----BEGIN CERTIFICATE-----\n.*?-----END CERTIFICATE-----\n", shown, re.DOTALL)
    chain = [issued.pem.decode() for issued in ACCEPTED[number].chain(house())]
    assert blocks[1 : len(chain) + 1] == chain


VERIFIED = [(number, case) for number, case in enumerate(ACCEPTED) if case.root(house())]


@pytest.mark.parametrize("number, case", VERIFIED, ids=[case.name for number, case in VERIFIED])
def test_client_that_trusts_the_root_only(number, case, place, haproxy):
    """The chain is complete: a client needs nothing but the root, and accepts the domain."""
    context = ssl.create_default_context(cadata=case.root(house()).pem.decode())
    # A browser leaves the final dot away, and no browser asks for a wildcard.
    domain = (case.options(house()).get("domain") or "example.com").rstrip(".").replace("*", "any")
    with connected(place, number, context, domain) as secure:
        assert secure.version() in ("TLSv1.2", "TLSv1.3")


def test_refused_material_leaves_haproxy_with_what_it_has(place):
    """Whatever is refused, HAProxy could still reload with the bundle that is there."""
    run(on_disk(place, house().given(path=str(place / "kept.pem"))))
    before = (place / "kept.pem").read_bytes()
    for case in REFUSED:
        assert run(on_disk(place, {**case.options(house()), "path": str(place / "kept.pem")})).get("failed") is True
    assert (place / "kept.pem").read_bytes() == before
    subprocess.run(["haproxy", "-c", "-f", configuration(place, ["kept"])], capture_output=True, check=True)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_forms(form, place):
    """What HAProxy loads as it is, we read as the same; what we read beyond that, it loads once we have written it."""
    text = form.make(house())
    (place / "form.pem").write_bytes(text)
    loads = subprocess.run(["haproxy", "-c", "-f", configuration(place, ["form"])], capture_output=True, check=False).returncode == 0
    assert form.loads in (loads, None)
    result = run({"path": str(place / "form.pem"), "certificate": str(place / "form.pem")})
    assert ("failed" not in result) is form.read
    if form.read:
        assert (place / "form.pem").read_bytes() == house().leaf.pem + house().chain + house().leaf.key
