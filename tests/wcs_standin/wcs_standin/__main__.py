# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start the stand-in: python3 -m wcs_standin /path/to/flashphoner.properties"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from pathlib import Path

from .server import running
from .settings import Settings, SettingsError, parse_properties


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running(settings):
        await stop.wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="wcs_standin", description="A stand-in for the Web Call Server.")
    parser.add_argument("properties", type=Path, help="flashphoner.properties")
    arguments = parser.parse_args()
    logging.basicConfig(format="%(levelname)s %(message)s", stream=sys.stdout)
    logging.getLogger("wcs_standin").setLevel(logging.INFO)
    try:
        settings = Settings.from_properties(parse_properties(arguments.properties.read_text(encoding="latin-1")))
        asyncio.run(serve(settings))
    except (SettingsError, OSError) as error:
        parser.exit(1, f"{arguments.properties}: {error}\n")


if __name__ == "__main__":
    main()
