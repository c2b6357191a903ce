# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the Python library and the openssl of a host say of the table: for hosts that have neither Ansible nor pytest.

`python3 -m tests.bundle.verdicts CASES`, with Python's path at a checkout and the file that test_bundle_hosts.py makes, prints both verdicts on each
case: the sentence of the refusal, or the SHA-256 of the bundle. Its exit code says whether the two are the same everywhere.
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
from datetime import datetime

from plugins.module_utils import _pem, _x509_crypto

INPUTS = {"certificate": "certificate", "chain": "certificate", "private_key": "private key"}


class Commands:
    """As much of AnsibleModule as it takes to run openssl."""

    tmpdir = None

    @staticmethod
    def run_command(command: list[str], data: bytes, **options) -> tuple[int, bytes, bytes]:
        done = subprocess.run(command, input=data, capture_output=True, check=False)
        return done.returncode, done.stdout, done.stderr


def verdict(case: dict, now: datetime, tools) -> str:
    material = [_pem.Material(name, "FILE", INPUTS[name], base64.b64decode(text)) for name, text in case["inputs"].items()]
    try:
        made = _pem.bundle(material, tools, now, case["domain"], case["include_root"])
    except _pem.PemError as problem:
        return str(problem)
    return hashlib.sha256(made.data).hexdigest()


def main() -> int:
    with open(sys.argv[1], encoding="ascii") as stream:
        found = json.load(stream)
    now = datetime.fromisoformat(found["now"])
    tools = [_x509_crypto.Cryptography(), _x509_crypto.OpenSSL(Commands(), "openssl")]
    verdicts = {name: [verdict(case, now, tool) for tool in tools] for name, case in found["cases"].items()}
    print(json.dumps(verdicts, indent=1))
    return int(any(one != other for one, other in verdicts.values()))


if __name__ == "__main__":
    sys.exit(main())
