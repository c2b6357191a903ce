# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare the module with `openssl verify` on the server cases of x509-limbo: limbo.py limbo.json.

The file is not part of this project; https://x509-limbo.com publishes it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
from datetime import datetime, timezone
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(CHECKOUT / ".cache" / "collections"))

from ansible_collections.webcallserver.balancer.plugins.module_utils._bundle import bundle
from ansible_collections.webcallserver.balancer.plugins.module_utils._pem import Material, PemError

# What is asked of a client, or of a key that nobody has
NOT_OF_A_SERVER = "it is about clients, revocation or a limit that clients set, or its key is not published"


def concerns_us(case: dict) -> bool:
    return case["validation_kind"] == "SERVER" and bool(case["peer_certificate_key"]) and not case.get("crls") and case.get("max_chain_depth") is None


def ours(case: dict, now: datetime) -> str:
    """Return why the module refuses a case, '' where it accepts it."""
    chain = "".join([*case["untrusted_intermediates"], *case["trusted_certs"]])
    material = [
        Material("certificate", "", "certificate", case["peer_certificate"].encode()),
        Material("private_key", "", "private key", case["peer_certificate_key"].encode()),
    ]
    if chain:
        material.append(Material("chain", "", "certificate", chain.encode()))
    name = case["expected_peer_name"] or {}
    try:
        bundle(material, now, name.get("value") if name.get("kind") in ("DNS", "IP") else None)
    except PemError as problem:
        return str(problem)
    return ""


def openssl(case: dict, now: datetime, directory: Path) -> str:
    """Return why openssl refuses a case, '' where it accepts it."""
    files = {"roots": case["trusted_certs"], "others": case["untrusted_intermediates"], "leaf": [case["peer_certificate"]]}
    for name, texts in files.items():
        (directory / name).write_text("".join(texts))
    command = ["openssl", "verify", "-partial_chain", "-purpose", "sslserver", "-auth_level", "2", "-attime", str(int(now.timestamp()))]
    command += ["-CAfile", "roots", "-no-CApath", "-no-CAstore", *(["-untrusted", "others"] if case["untrusted_intermediates"] else [])]
    name = case["expected_peer_name"] or {}
    option = {"DNS": "-verify_hostname", "IP": "-verify_ip"}.get(name.get("kind"))
    command += [option, name["value"]] if option else []
    done = subprocess.run([*command, "leaf"], cwd=directory, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else (done.stdout + done.stderr).replace("\n", " ")[:160]


def main() -> None:
    found = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    cases = found["testcases"] if isinstance(found, dict) else found
    table: Counter[tuple[str, str]] = Counter()
    with tempfile.TemporaryDirectory() as directory:
        for case in cases:
            if not concerns_us(case):
                table["not compared", NOT_OF_A_SERVER] += 1
                continue
            text = case["validation_time"]
            now = datetime.fromisoformat(text.replace("Z", "+00:00")) if text else datetime.now(timezone.utc)
            now = now if now.tzinfo else now.replace(tzinfo=timezone.utc)
            mine, theirs = ours(case, now), openssl(case, now, Path(directory))
            table["refused" if mine else "accepted", "openssl refuses" if theirs else "openssl accepts"] += 1
            if bool(mine) != bool(theirs):
                print(f"{case['id']}\n    ours: {mine or 'accepted'}\n    openssl: {theirs or 'accepted'}")
    for (verdict, other), count in sorted(table.items()):
        print(f"{count:4}  {verdict}, {other}")


if __name__ == "__main__":
    main()
