# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the Python, cryptography and OpenSSL of a host say of cases: for hosts that have neither Ansible nor pytest.

`python3 -m tests.integration.bundle.verdicts CASES [FOLDER]`, with Python's path at a checkout and a file that test_bundle_hosts.py makes,
prints the verdict on each case: the sentence of the refusal, or the SHA-256 of the bundle. With FOLDER, the bundles are written there.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from datetime import datetime
from pathlib import Path

from plugins.module_utils import _bundle, _pem


def verdict(case: dict, now: datetime, bundle: Path | None) -> str:
    material = [_pem.Material(name, "FILE", _pem.WANTED[name], base64.b64decode(text)) for name, text in case["inputs"].items()]
    try:
        made = _bundle.bundle(material, now, case["domain"], case["include_root"])
    except _pem.PemError as problem:
        return str(problem)
    if bundle:
        bundle.write_bytes(made.data)
    return hashlib.sha256(made.data).hexdigest()


def main() -> None:
    found = json.loads(Path(sys.argv[1]).read_text(encoding="ascii"))
    now, folder = datetime.fromisoformat(found["now"]), Path(sys.argv[2]) if sys.argv[2:] else None
    cases = enumerate(found["cases"].items())
    print(json.dumps({name: verdict(case, now, folder and folder / f"{number}.pem") for number, (name, case) in cases}, indent=1))


if __name__ == "__main__":
    main()
