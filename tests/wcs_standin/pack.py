# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pack the stand-in into one file that python3 runs: pack.py TARGET. The same sources give the same bytes."""

from __future__ import annotations

import sys
from pathlib import Path
from zipfile import ZipFile, ZipInfo

PROGRAM = Path(__file__).resolve().parent / "wcs_standin"
START = "from wcs_standin.__main__ import main\n\nmain()\n"

target = Path(sys.argv[1])
target.parent.mkdir(parents=True, exist_ok=True)
with ZipFile(target, "w") as archive:
    # A bare ZipInfo carries one fixed date.
    archive.writestr(ZipInfo("__main__.py"), START)
    for source in sorted(PROGRAM.glob("*.py")):
        archive.writestr(ZipInfo(f"{PROGRAM.name}/{source.name}"), source.read_bytes())
