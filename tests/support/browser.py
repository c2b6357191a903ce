# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real browser on the fleet's network, and the Two Way Streaming example in its windows."""

from __future__ import annotations

import subprocess
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.webcallserver.balancer.tests.support.paths import CHECKOUT
from ansible_collections.webcallserver.balancer.tests.support.waiting import until
from playwright.sync_api import expect

PICTURES = CHECKOUT / "artifacts" / "browser"
EXAMPLE = "/wcs/examples/demo/streaming/two_way_streaming/two_way_streaming.html"
PATIENCE = 20

# A video as a viewer sees it: how far it is, and its brightest spot of 0 to 255.
LOOK = """video => {
    const canvas = new OffscreenCanvas(32, 24).getContext('2d')
    canvas.drawImage(video, 0, 0, 32, 24)
    return {time: video.currentTime, light: Math.max(...canvas.getImageData(0, 0, 32, 24).data.filter((_, index) => index % 4 < 3))}
}"""


@contextmanager
def chromium(playwright, fleet, network, address):
    """Run Chromium in a container, at an address of a network, and yield it as Playwright's browser."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    podman = CHECKOUT / "tests/fleet/podman"
    image = subprocess.check_output([CHECKOUT / "tests/fleet/image", "bookworm", "browser"], text=True).strip()
    container = subprocess.check_output(
        [
            *(podman, "run", "--detach", "--rm", "--privileged", "--shm-size", "512m", "--network", network),
            *("--volume", f"{fleet.ca_file}:/root.pem:ro", "--volume", f"{Path(__file__).parent}:/browser:ro"),
            *(image, "/browser/chromium", "/root.pem", fleet.domain, fleet.address("lb1")),
        ],
        text=True,
    ).strip()
    try:
        yield playwright.chromium.connect_over_cdp(_once_it_answers(f"http://{address}:9222"))
    finally:
        subprocess.run([podman, "rm", "--force", "--time", "0", container], check=True, stdout=subprocess.DEVNULL)


def _once_it_answers(endpoint):
    until(lambda: urllib.request.urlopen(f"{endpoint}/json/version", timeout=2).close() is None, PATIENCE, lambda: f"no browser at {endpoint}", ignore=OSError)
    return endpoint


class Window:
    """A window with the Two Way Streaming example, used as a person uses it."""

    def __init__(self, context, domain):
        self.context = context
        self._page = context.new_page()
        self._page.goto(f"https://{domain}{EXAMPLE}")
        expect(self._page.locator("#urlServer")).not_to_be_empty()

    @property
    def server(self):
        return self._page.locator("#urlServer").input_value()

    def connect(self, path=""):
        if path:
            self._page.locator("#urlServer").fill(self.server + path)
        self._page.locator("#connectBtn", has_text="Connect").click()
        self.shows("connect", "ESTABLISHED")

    def disconnect(self):
        self._page.locator("#connectBtn", has_text="Disconnect").click()
        self.shows("connect", "DISCONNECTED")

    def publish(self, stream):
        self._page.locator("#publishStream").fill(stream)
        self._page.locator("#publishBtn").click()
        self.shows("publish", "PUBLISHING")

    def play(self, stream):
        self._page.locator("#playStream").fill(stream)
        self._page.locator("#playBtn").click()
        self.shows("play", "PLAYING")

    def shows(self, what, status):
        """Wait until the page says so: C(what) is connect, publish or play."""
        expect(self._page.locator(f"#{what}Status")).to_have_text(status, timeout=PATIENCE * 1000)

    def watch(self):
        """Wait until the played video has gone on for a second, and fail when it stands still or is black."""
        video = self._page.locator("#remoteVideo video")
        begin = video.evaluate(LOOK)
        self._page.wait_for_function("([video, time]) => video.currentTime > time", arg=[video.element_handle(), begin["time"] + 1], timeout=PATIENCE * 1000)
        now = video.evaluate(LOOK)
        assert now["light"] > 60, now

    def evaluate(self, script):
        return self._page.evaluate(script)

    def photograph(self, name):
        self._page.screenshot(path=PICTURES / f"{name}.png", clip={"x": 0, "y": 0, "width": 745, "height": 690})
