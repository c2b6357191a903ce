# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site that nginx serves."""

from __future__ import annotations

import pytest
from ansible_collections.webcallserver.balancer.tests.integration.nginx.site import Served, configure, deploy, start
from ansible_collections.webcallserver.balancer.tests.support import websdk
from ansible_collections.webcallserver.balancer.tests.support.ports import free_port


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    home = tmp_path_factory.mktemp("nginx")
    home.chmod(0o755)
    release = deploy(home, websdk.pack(home / "websdk.tgz"))
    site = Served(home, release, free_port())
    process = start(configure(home, websdk_nginx_listen=[f"127.0.0.1:{site.port}"]), lambda: site.get("/"))
    yield site
    process.terminate()
    process.communicate()
