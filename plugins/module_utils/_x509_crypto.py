# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no promise of stability to other collections.
"""Sign and verify with what the host has: the Python library cryptography, else the command openssl."""

from __future__ import annotations

import contextlib
import os
import tempfile
import typing as t

from ._x509 import Scheme, pem

try:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding
    from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_private_key

    HAS_CRYPTOGRAPHY = True
except ImportError:
    HAS_CRYPTOGRAPHY = False


class Cryptography:
    """The Python library, 3.3 and newer."""

    def sign(self, private_key: bytes, kind: str, message: bytes) -> bytes | None:
        try:
            key = load_pem_private_key(private_key, None)
            return key.sign(message, *self._scheme(Scheme(kind, "sha256")))
        except (ValueError, TypeError, UnsupportedAlgorithm):
            return None

    def verify(self, public_key: bytes, scheme: Scheme, signature: bytes, message: bytes) -> bool:
        try:
            load_der_public_key(public_key).verify(signature, message, *self._scheme(scheme))
        except (InvalidSignature, ValueError, UnsupportedAlgorithm):
            return False
        return True

    @staticmethod
    def _scheme(scheme: Scheme) -> tuple:
        digest = {"sha256": hashes.SHA256, "sha384": hashes.SHA384, "sha512": hashes.SHA512}[scheme.digest]()
        if scheme.kind == "EC":
            return (ec.ECDSA(digest),)
        if scheme.kind == "RSA-PSS":
            return (padding.PSS(padding.MGF1(digest), scheme.salt), digest)
        return (padding.PKCS1v15(), digest)


class OpenSSL:
    """The command, 1.1.1 and newer. Its files hold only what is public; a private key reaches it through standard input."""

    def __init__(self, module, command: str) -> None:
        self.module = module
        self.command = command

    def sign(self, private_key: bytes, kind: str, message: bytes) -> bytes | None:
        with self._files(message=message) as folder:
            code, signature = self._run(private_key, "-sha256", "-sign", "/dev/stdin", os.path.join(folder, "message"))
        return signature if code == 0 else None

    def verify(self, public_key: bytes, scheme: Scheme, signature: bytes, message: bytes) -> bool:
        padding_options = []
        if scheme.kind == "RSA-PSS":
            padding_options = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", f"rsa_pss_saltlen:{scheme.salt}"]
        with self._files(key=pem("PUBLIC KEY", public_key), signature=signature) as folder:
            key_file, signature_file = os.path.join(folder, "key"), os.path.join(folder, "signature")
            code, output = self._run(message, f"-{scheme.digest}", "-verify", key_file, "-signature", signature_file, *padding_options)
        return code == 0

    def _run(self, data: bytes, *options: str) -> tuple[int, bytes]:
        code, output, errors = self.module.run_command([self.command, "dgst", *options], data=data, binary_data=True, encoding=None)
        return code, output

    @contextlib.contextmanager
    def _files(self, **contents: bytes) -> t.Iterator[str]:
        with tempfile.TemporaryDirectory(dir=self.module.tmpdir) as folder:
            for name, content in contents.items():
                with open(os.path.join(folder, name), "wb") as stream:
                    stream.write(content)
            yield folder


def crypto(module) -> Cryptography | OpenSSL | None:
    """The one of the two that this host has, or None."""
    if HAS_CRYPTOGRAPHY:
        return Cryptography()
    command = module.get_bin_path("openssl")
    return OpenSSL(module, command) if command else None
