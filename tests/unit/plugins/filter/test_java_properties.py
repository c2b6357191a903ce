# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.webcallserver.balancer.plugins.filter.java_properties import java_properties


def test_the_content_is_read_as_java_reads_it():
    content = base64.b64encode(b"# a comment\nws.port =8080\nip: 192.0.2.1\nws.port =8090\n").decode()
    assert java_properties(content) == {"ws.port": "8090", "ip": "192.0.2.1"}


@pytest.mark.parametrize("content", ["not base64!", base64.b64encode(rb"key=\u12").decode()])
def test_what_cannot_be_read_is_an_error(content):
    with pytest.raises(AnsibleFilterError, match="java_properties: "):
        java_properties(content)
