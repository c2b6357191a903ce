# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module over its whole table, with both of the tools it can use."""

from __future__ import annotations

import base64
import fnmatch
import os
import re
import stat
import sys
import syslog

import pytest
from ansible_collections.webcallserver.balancer.plugins.module_utils import _x509_crypto
from ansible_collections.webcallserver.balancer.plugins.modules import pem_bundle
from ansible_collections.webcallserver.balancer.tests.bundle.authorities import PEM, PKCS8, PLAIN, TRADITIONAL, house
from ansible_collections.webcallserver.balancer.tests.bundle.cases import ACCEPTED, REFUSED, crossed
from ansible_collections.webcallserver.balancer.tests.bundle.running import on_disk, run
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import load_pem_private_key

OLD = b"whatever was served before\n"


@pytest.fixture(params=["cryptography", "openssl"])
def tools(request, monkeypatch):
    monkeypatch.setattr(_x509_crypto, "HAS_CRYPTOGRAPHY", request.param == "cryptography")
    return request.param


@pytest.fixture
def path(tmp_path):
    """Where the bundle goes: a directory that has nothing else in it."""
    (tmp_path / "certs").mkdir(mode=0o700)
    return tmp_path / "certs" / "example.com.pem"


def mode(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def secrets(key: bytes) -> list[str]:
    """What may be seen nowhere of a key: any of its lines, or its bytes in hexadecimal."""
    lines = key.decode().split("\n")[1:-2]
    return [*lines, base64.b64decode("".join(lines)).hex()]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_refused(case, path, tmp_path, tools):
    path.write_bytes(OLD)
    path.chmod(0o600)
    result = run(on_disk(tmp_path, {"path": str(path), **case.options(house())}))
    assert result.get("failed") is True
    assert fnmatch.fnmatchcase(result["msg"], case.sentence), result["msg"]
    assert not any(secret in result["printed"] for secret in secrets(house().leaf.key))
    assert (path.read_bytes(), mode(path), os.listdir(path.parent)) == (OLD, 0o600, [path.name])


def test_enough_is_refused():
    assert len(REFUSED) >= 40
    assert len({case.name for case in REFUSED + ACCEPTED}) == len(REFUSED + ACCEPTED)


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case.name)
def test_accepted(case, path, tmp_path, tools):
    options = on_disk(tmp_path, {"path": str(path), **case.options(house())})
    path.write_bytes(OLD)
    result, again = run(options), run(options)
    assert (result["changed"], again["changed"]) == (True, False)

    text = path.read_bytes()
    leaf, *chain = x509.load_pem_x509_certificates(text)
    key = load_pem_private_key(text, None)
    assert result["fingerprint"] == leaf.fingerprint(hashes.SHA256()).hex(":").upper()
    assert [found["fingerprint"] for found in result["chain"]] == [found.fingerprint(hashes.SHA256()).hex(":").upper() for found in chain]
    assert chain == [issued.certificate for issued in case.chain(house())]
    assert key.public_key() == leaf.public_key()
    # This, in this order, and nothing else.
    certificates = b"".join(found.public_bytes(PEM) for found in (leaf, *chain))
    private_key = text[len(certificates) :]
    assert text == certificates + private_key and private_key in (key.private_bytes(PEM, form, PLAIN) for form in (PKCS8, TRADITIONAL))

    assert (mode(path), os.listdir(path.parent)) == (0o600, [path.name])
    assert len(result["warnings"]) == len(case.warnings)
    assert all(fnmatch.fnmatchcase(warning, expected) for warning, expected in zip(result["warnings"], case.warnings))
    assert not any(secret in found["printed"] for secret in secrets(private_key) for found in (result, again))


def same_but_for_the_clock(predicted, result) -> bool:
    first, second = (re.sub(r"and it is \S+", "", found["printed"]) for found in (predicted, result))
    return first == second and predicted["warnings"] == result["warnings"]


@pytest.mark.parametrize("case", REFUSED + ACCEPTED, ids=lambda case: case.name)
def test_check_mode_predicts(case, path, tmp_path):
    options = on_disk(tmp_path, {"path": str(path), **case.options(house())})
    path.write_bytes(OLD)
    predicted = run(options, check=True)
    assert (path.read_bytes(), os.listdir(path.parent)) == (OLD, [path.name])
    assert same_but_for_the_clock(predicted, run(options))


@pytest.mark.parametrize("case", REFUSED + ACCEPTED, ids=lambda case: case.name)
def test_check_mode_predicts_on_an_empty_host(case, tmp_path):
    """The preflight check of a role, which makes the directory after it."""
    options = on_disk(tmp_path, {"path": str(tmp_path / "none" / "example.com.pem"), **case.options(house())})
    predicted = run(options, check=True)
    assert not (tmp_path / "none").exists()
    (tmp_path / "none").mkdir()
    assert same_but_for_the_clock(predicted, run(options))


def test_result(path, tmp_path):
    h = house()
    result = run(on_disk(tmp_path, h.given(path=str(path))))
    assert result["subject"] == "CN=example.com"
    assert result["domains"] == ["example.com", "www.example.com"]
    assert result["fingerprint"] == h.leaf.fingerprint
    assert result["not_after"] == h.leaf.certificate.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert result["days_left"] == 89
    assert [found["subject"] for found in result["chain"]] == ["CN=Lower", "CN=Upper"]
    assert [int(found["serial"], 16) for found in result["chain"]] == [h.lower.certificate.serial_number, h.upper.certificate.serial_number]


def test_renewal_and_its_diff(path, tmp_path):
    h = house()
    run(on_disk(tmp_path, h.given(path=str(path))))
    before = path.read_bytes()
    renewed = h.server(days=(-1, 180))
    result = run(on_disk(tmp_path, h.given(renewed, path=str(path), backup=True)))
    assert result["changed"] is True
    (diff,) = result["diff"]
    assert h.leaf.fingerprint in diff["before"] and renewed.fingerprint in diff["after"]
    labels = {"subject", "issuer", "serial", "not_before", "not_after", "fingerprint"}
    for side in ("before", "after"):
        assert {line.split(":")[0] for line in diff[side].splitlines()} == labels
    backup = path.parent / os.path.basename(result["backup_file"])
    assert backup.read_bytes() == before
    assert mode(backup) == 0o600


@pytest.mark.parametrize(
    "rewrite, changed",
    [
        (lambda data: data.replace(b"\n", b"\r\n"), False),
        (lambda data: b"# by hand\n" + data.replace(b"-----\n-----B", b"-----\n\n-----B"), False),
        (lambda data: data.replace(house().leaf.key, b"") + house().leaf.private_key.private_bytes(PEM, TRADITIONAL, PLAIN), False),
        # HAProxy would load these differently, or not at all.
        (lambda data: b"\xef\xbb\xbf" + data, True),
        (lambda data: data.replace(b"-----\n-----B", b"----------B"), True),
        (lambda data: data.replace(b"\n", b" "), True),
        (lambda data: data.replace(house().leaf.key, house().stranger.key), True),
        (lambda data: data.replace(house().leaf.key, b""), True),
        (lambda data: data + house().leaf.key, True),
        (lambda data: data.replace(house().upper.pem, b""), True),
        (lambda data: data.replace(house().upper.pem, crossed(house()).pem), True),
        (lambda data: house().upper.pem + data.replace(house().upper.pem, b""), True),
        (lambda data: data[:-40], True),
        (lambda data: data.replace(b"PRIVATE KEY", b"RSA PRIVATE KEY"), True),
        (lambda data: data + b"-----BEGIN DH PARAMETERS-----\nMAYCAQ8CAQI=\n-----END DH PARAMETERS-----\n", True),
        (lambda data: b"", True),
        (lambda data: data * 2, True),
    ],
)
def test_what_is_there_counts_by_its_meaning(rewrite, changed, path, tmp_path):
    options = on_disk(tmp_path, house().given(path=str(path)))
    run(options)
    made = path.read_bytes()
    path.write_bytes(rewrite(made))
    assert path.read_bytes() != made
    assert run(options, check=True)["changed"] is changed
    assert run(options)["changed"] is changed
    assert run(options)["changed"] is False
    assert path.read_bytes() == (made if changed else rewrite(made))


@pytest.mark.parametrize("key, changed", [("own", False), ("another", True)])
def test_key_that_is_there_is_compared_by_what_it_signs(key, changed, path, tmp_path, tools):
    h = house()
    options = on_disk(tmp_path, h.given(path=str(path)))
    issued = h.leaf if key == "own" else h.stranger
    path.write_bytes(h.leaf.pem + h.chain + issued.private_key.private_bytes(PEM, TRADITIONAL, PLAIN))
    path.chmod(0o600)
    assert run(options, check=True)["changed"] is changed


class TestModes:
    @pytest.mark.parametrize("allowed", ["0400", "0440", "0600", "0640"])
    def test_allowed(self, allowed, path, tmp_path):
        options = on_disk(tmp_path, house().given(path=str(path), mode=allowed))
        assert run(options)["changed"] is True
        assert mode(path) == int(allowed, 8)
        assert run(options)["changed"] is False

    @pytest.mark.parametrize("refused", ["0644", "0660", "0777", "u=rw,g=r,o=r", "384"])
    def test_refused(self, refused, path, tmp_path):
        result = run(on_disk(tmp_path, house().given(path=str(path), mode=refused)))
        assert result["msg"] == f"value of mode must be one of: 0400, 0440, 0600, 0640, got: {refused}"
        assert not path.exists()

    def test_a_mode_alone_is_a_change(self, path, tmp_path):
        options = on_disk(tmp_path, house().given(path=str(path)))
        run(options)
        path.chmod(0o644)
        predicted = run(options, check=True)
        assert mode(path) == 0o644
        result = run(options)
        assert predicted["changed"] and result["changed"] and "backup_file" not in result
        assert predicted["diff"] == result["diff"]
        assert mode(path) == 0o600
        assert run(options)["changed"] is False


class TestPlaces:
    def test_missing_directory(self, tmp_path):
        """The role makes the directory; a preflight check comes before that."""
        place = tmp_path / "none" / "example.com.pem"
        options = on_disk(tmp_path, house().given(path=str(place)))
        assert run(options)["msg"] == f"{place.parent} does not exist: make this directory first, readable for root only."
        assert run(options, check=True)["changed"] is True
        assert not place.parent.exists()

    @pytest.mark.parametrize("check", [False, True])
    def test_directory(self, check, path, tmp_path):
        path.mkdir()
        result = run(on_disk(tmp_path, house().given(path=str(path))), check=check)
        assert result["msg"] == f"{path} is a directory: name the file itself."

    @pytest.mark.parametrize("check", [False, True])
    def test_directory_that_is_a_file(self, check, path, tmp_path):
        path.write_bytes(OLD)
        result = run(on_disk(tmp_path, house().given(path=str(path / "example.com.pem"))), check=check)
        assert result["msg"] == f"{path}/example.com.pem cannot be read: Not a directory."
        assert path.read_bytes() == OLD

    @pytest.mark.parametrize("old", [None, OLD], ids=["dangling", "link"])
    def test_link(self, old, path, tmp_path):
        target = tmp_path / "elsewhere.pem"
        path.symlink_to(target)
        if old:
            target.write_bytes(old)
        options = on_disk(tmp_path, house().given(path=str(path)))
        assert [run(options, check=True)["changed"], run(options)["changed"], run(options)["changed"]] == [True, True, False]
        assert path.is_symlink() and path.read_bytes().startswith(house().leaf.pem)
        assert mode(target) == 0o600
        assert os.listdir(path.parent) == [path.name]

    def test_material_behind_links(self, path, tmp_path):
        """As certbot keeps it."""
        options = on_disk(tmp_path, house().given(path=str(path)))
        (tmp_path / "live").mkdir()
        for option in ("certificate", "chain", "private_key"):
            (tmp_path / "live" / option).symlink_to(options[option])
            options[option] = str(tmp_path / "live" / option)
        assert run(options)["changed"] is True

    def test_bundle_made_from_itself(self, path, tmp_path):
        path.write_bytes(house().upper.pem + house().leaf.key + house().leaf.pem + house().lower.pem)
        options = {"path": str(path), "certificate": str(path)}
        assert [run(options)["changed"], run(options)["changed"]] == [True, False]
        assert path.read_bytes() == house().leaf.pem + house().chain + house().leaf.key

    def test_unknown_group(self, path, tmp_path):
        path.write_bytes(OLD)
        options = on_disk(tmp_path, house().given(path=str(path), group="no such group"))
        for check in (True, False):
            assert "no such group" in run(options, check=check)["msg"]
            assert path.read_bytes() == OLD


class TestOptions:
    @pytest.mark.parametrize("option", ["certificate", "chain", "private_key"])
    def test_either_file_or_text(self, option, path, tmp_path):
        options = on_disk(tmp_path, house().given(path=str(path), **{f"{option}_content": "text"}))
        assert run(options)["msg"] == f"parameters are mutually exclusive: {option}|{option}_content"

    def test_certificate_is_required(self, path):
        assert run({"path": str(path)})["msg"] == "one of the following is required: certificate, certificate_content"


def test_no_tools(path, tmp_path, monkeypatch):
    monkeypatch.setattr(_x509_crypto, "HAS_CRYPTOGRAPHY", False)
    monkeypatch.setattr(pem_bundle.AnsibleModule, "get_bin_path", lambda *args, **options: None)
    result = run(on_disk(tmp_path, house().given(path=str(path))))
    assert result["msg"] == "Neither the Python library cryptography nor the command openssl is on this host: install openssl."


class Observer:
    """Looks, before every operation on files in this process, for files of a directory that more than their owner may read."""

    def __init__(self) -> None:
        self.folder = None
        self.seen = set()

    def __call__(self, event: str, arguments: tuple) -> None:
        if self.folder is None or not event.startswith(("open", "os.", "shutil.", "tempfile.")):
            return
        folder, self.folder = self.folder, None
        self.look(folder)
        self.folder = folder

    def look(self, folder) -> None:
        for name in os.listdir(folder):
            self.seen.add((name, mode(folder / name)))

    @property
    def wide(self) -> set:
        return {(name, found) for name, found in self.seen if found & 0o177}


OBSERVER = Observer()
sys.addaudithook(OBSERVER)


@pytest.fixture
def observer():
    umask = os.umask(0o022)
    OBSERVER.seen = set()
    yield OBSERVER
    OBSERVER.folder = None
    os.umask(umask)


@pytest.mark.parametrize("old", [None, 0o600, 0o400])
def test_never_wider_than_its_owner(old, observer, path, tmp_path, tools):
    options = on_disk(tmp_path, house().given(path=str(path), backup=True))
    if old:
        path.write_bytes(OLD)
        path.chmod(old)
    observer.folder = path.parent
    assert run(options)["changed"] is True
    observer.look(path.parent)
    assert len({name for name, found in observer.seen}) == (3 if old else 2), "the temporary file, the bundle and the backup are seen"
    assert observer.wide == set()


def test_a_wide_bundle_is_tightened_before_it_is_replaced(observer, path, tmp_path):
    options = on_disk(tmp_path, house().given(path=str(path), backup=True))
    path.write_bytes(OLD)
    path.chmod(0o644)
    observer.folder = path.parent
    run(options)
    observer.look(path.parent)
    assert observer.wide == {(path.name, 0o644)}
    assert {mode(found) for found in path.parent.iterdir()} == {0o600}


def test_the_observer_sees_what_is_wide(observer, path):
    observer.folder = path.parent
    path.write_bytes(OLD)
    path.chmod(0o600)
    assert observer.wide == {(path.name, 0o644)}


def test_key_stays_out_of_the_log_and_of_commands(path, tmp_path, monkeypatch, capfd):
    logged, commands = [], []
    monkeypatch.setattr(_x509_crypto, "HAS_CRYPTOGRAPHY", False)
    monkeypatch.setattr(syslog, "syslog", lambda *arguments: logged.append(repr(arguments)))
    run_command = pem_bundle.AnsibleModule.run_command

    def recorded(self, command, **options):
        in_files = [open(os.path.join(folder, name), "rb").read() for folder, subfolders, names in os.walk(self.tmpdir) for name in names]
        commands.append((command, in_files))
        return run_command(self, command, **options)

    monkeypatch.setattr(pem_bundle.AnsibleModule, "run_command", recorded)
    texts = {f"{key}_content": value.decode() for key, value in house().given(domain=b"").items() if value}
    result = run({**texts, "certificate_content": texts["certificate_content"] + texts["private_key_content"], "path": str(path)})
    assert result["changed"] is True and logged and commands
    seen = repr([logged, commands, result, capfd.readouterr()])
    assert "example.com" in seen
    assert not any(secret in seen for secret in secrets(house().leaf.key))


def test_key_stays_out_of_a_traceback(path, tmp_path, monkeypatch, capfd):
    def broken(*arguments, **options):
        raise RuntimeError("broken")

    monkeypatch.setattr(pem_bundle, "write", broken)
    with pytest.raises(RuntimeError) as failure:
        run({**{f"{key}_content": value.decode() for key, value in house().given(domain=b"").items() if value}, "path": str(path)})
    assert not any(secret in str(failure.getrepr()) for secret in secrets(house().leaf.key))
