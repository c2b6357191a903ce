# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet of the scenario, for the tests that look at it."""

from __future__ import annotations

import ipaddress
import os
import subprocess

import pytest
from ansible_collections.webcallserver.balancer.tests.support.browser import chromium
from ansible_collections.webcallserver.balancer.tests.support.fleet import Fleet
from ansible_collections.webcallserver.balancer.tests.support.paths import CHECKOUT
from playwright.sync_api import sync_playwright


@pytest.fixture(scope="session")
def fleet():
    return Fleet(os.environ["FLEET_NAME"])


@pytest.fixture(scope="session")
def websdk(tmp_path_factory):
    """Return the directory that holds the WebSDK's package as it was published."""
    directory = tmp_path_factory.mktemp("websdk")
    archive = next((CHECKOUT / ".cache" / "websdk").glob("*.tgz"))
    subprocess.run(["tar", "-xzf", archive, "-C", directory], check=True)
    return directory / "package"


@pytest.fixture
def snapshot(fleet):
    """Return a function that tells what of a host a run could have changed."""

    def take():
        look = "find /etc /srv /usr /var/lib -xdev -printf '%p %T@ %s %m %u\\n' | grep -v systemd/timers | sort"
        return {name: fleet.run(name, look) for name in fleet.hosts}

    return take


@pytest.fixture(scope="module")
def address(fleet):
    """Where the browser is: beside the fleet."""
    return str(ipaddress.ip_address(fleet.address("lb1")) + 100)


@pytest.fixture(scope="module")
def driver():
    """Playwright, but not for the session: tests with an event loop of their own cannot run while this one does."""
    with sync_playwright() as found:
        yield found


@pytest.fixture(scope="module")
def browser(driver, fleet, address):
    with chromium(driver, fleet, f"{fleet.network}:ip={address}", address) as found:
        yield found
