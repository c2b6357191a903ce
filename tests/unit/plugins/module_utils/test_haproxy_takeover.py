# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import time

import pytest
from ansible_collections.webcallserver.balancer.plugins.module_utils import _haproxy_takeover as takeover

OURS = b"global\n    log stdout\nfrontend wcs-balancer\n    bind :443\n"


def seal(text):
    return text + b"# " + hashlib.sha256(text).hexdigest().encode() + b" is the SHA-256 of the lines above, so that what is changed is noticed\n"


SEALED = {
    "as it was written": (seal(OURS), True),
    "without its last newline": (seal(OURS)[:-1], True),
    "a line more": (seal(OURS) + b"listen x\n", False),
    "a character less": (seal(OURS).replace(b":443", b":44"), False),
    "a comment changed": (seal(b"# one\n" + OURS).replace(b"# one", b"# two"), False),
    "sealed twice": (seal(seal(OURS)), True),
    "somebody's": (OURS, False),
    "Ansible's, of another role": (b"# Ansible managed\n" + OURS, False),
    "empty": (b"", False),
    "no text": (b"\xff\xfe\x00", False),
}


@pytest.mark.parametrize(("data", "expected"), SEALED.values(), ids=SEALED)
def test_the_file_of_the_role_is_known(data, expected):
    assert takeover.sealed(data) is expected


# Of a file that somebody has changed since
SEAL_OF_ANOTHER = seal(b"another\n").decode().split("\n")[1] + "\n"
GONE = {
    "the how-to's": ("frontend wcs-balancer\nbackend wcs_back\nbackend wcs_web_admin", "", []),
    "ours with pools, changed by hand": (
        f"frontend wcs-balancer\nfrontend wcs-redirect\nbackend wcs_back_view\nbackend wcs_web\nbackend wcs_pages\nresolvers host\n{SEAL_OF_ANOTHER}",
        "",
        [],
    ),
    "a section more in ours": (f"frontend wcs-balancer\nlisten stats\n{SEAL_OF_ANOTHER}", "", ["listen stats"]),
    "names like those of ours in the how-to's": (
        "frontend wcs-balancer\nbackend wcs_back_office\nbackend wcs_pages\nresolvers host",
        "",
        ["backend wcs_back_office", "backend wcs_pages", "resolvers host"],
    ),
    "a shop": ("frontend shop\n bind :80\nbackend shop", "", ["frontend shop", "backend shop"]),
    "a page of statistics in the how-to's": ("frontend wcs-balancer\nlisten stats", "", ["listen stats"]),
    "what is to be there as well": ("listen stats\nuserlist u", "listen stats\n  bind :9000\n", ["userlist u"]),
    "indented": ("  frontend shop\n\tbackend\tshop # old\n", "", ["frontend shop", "backend shop"]),
    "names like ours": ("frontend wcs-balancer2\nbackend wcs_website", "", ["frontend wcs-balancer2", "backend wcs_website"]),
    "without a name": ("traces\nfrontend", "", ["traces", "frontend"]),
    "comments": ("# frontend shop\n#listen x", "", []),
    "words in a line": ("defaults\n http-request use-service frontend shop\n stats socket backend", "", []),
    "every kind": ("peers p\nmailers m\nresolvers dns\ncache c\nring r\nacme a", "", ["peers p", "mailers m", "resolvers dns", "cache c", "ring r", "acme a"]),
}


@pytest.mark.parametrize(("text", "kept", "expected"), GONE.values(), ids=GONE)
def test_what_would_be_gone(text, kept, expected):
    assert takeover.gone(text.encode(), kept) == expected


def test_the_package_s_own_file_is_known():
    for algorithm in ("md5", "sha256"):
        digest = hashlib.new(algorithm, OURS).hexdigest()
        output = f" /etc/default/haproxy abc\n /etc/haproxy/haproxy.cfg {digest}\n /etc/haproxy/x obsolete\n"
        assert takeover.untouched(OURS, takeover.packaged(output, "/etc/haproxy/haproxy.cfg"))
        assert not takeover.untouched(OURS + b"\n", takeover.packaged(output, "/etc/haproxy/haproxy.cfg"))
    assert not takeover.untouched(OURS, takeover.packaged("dpkg-query: no packages found", "/etc/haproxy/haproxy.cfg"))


def test_a_large_file_is_read_in_linear_time():
    start = time.process_time()
    takeover.sealed(b"# " + b"0" * 2_000_000)
    takeover.gone(b"#" * 1_000_000 + b"\n" + b"backend wcs_back_" * 100_000, "")
    assert time.process_time() - start < 3
