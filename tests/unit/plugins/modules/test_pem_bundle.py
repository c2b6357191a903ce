# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module over its whole table."""

from __future__ import annotations

import base64
import fnmatch
import hashlib
import os
import re
import stat
import sys
import syslog
import time

import pytest
from ansible_collections.webcallserver.balancer.plugins.module_utils import _x509
from ansible_collections.webcallserver.balancer.plugins.modules import pem_bundle
from ansible_collections.webcallserver.balancer.tests.support.bundle.authorities import PEM, PKCS8, PLAIN, TRADITIONAL, house
from ansible_collections.webcallserver.balancer.tests.support.bundle.cases import ACCEPTED, REFUSED
from ansible_collections.webcallserver.balancer.tests.support.bundle.running import on_disk, run
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import load_pem_private_key

OLD = b"whatever was served before\n"


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
def test_refused(case, path, tmp_path):
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
def test_accepted(case, path, tmp_path):
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
    "rewrite",
    [
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: b"# by hand\n" + data,
        lambda data: data.replace(house().leaf.key, b"") + house().leaf.private_key.private_bytes(PEM, TRADITIONAL, PLAIN),
        lambda data: data.replace(house().leaf.key, house().stranger.key),
        lambda data: data.replace(house().upper.pem, b""),
        lambda data: data[:-40],
        lambda data: data + b"-----BEGIN DH PARAMETERS-----\nMAYCAQ8CAQI=\n-----END DH PARAMETERS-----\n",
        lambda data: b"",
        lambda data: data * 2,
    ],
)
def test_what_is_there_counts_byte_by_byte(rewrite, path, tmp_path):
    options = on_disk(tmp_path, house().given(path=str(path)))
    run(options)
    made = path.read_bytes()
    path.write_bytes(rewrite(made))
    assert path.read_bytes() != made
    assert [run(options, check=True)["changed"], run(options)["changed"], run(options)["changed"]] == [True, True, False]
    assert path.read_bytes() == made


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
        assert run({"path": str(path)})["msg"] == "one of the following is required: certificate, certificate_content, sha256"


class TestWithoutCryptography:
    """What is wrong otherwise is said all the same, so that a caller may leave the rest to the day when the library is there."""

    @pytest.fixture
    def without(self, path, tmp_path, monkeypatch):
        for module in (_x509, pem_bundle):
            monkeypatch.setattr(module, "HAS_CRYPTOGRAPHY", False)
        return on_disk(tmp_path, house().given(path=str(path)))

    def test_it_is_asked_for(self, without, path):
        result = run(without)
        assert result["msg"] == "The Python library cryptography is not on this host: install the package python3-cryptography (3.3 or newer)."
        assert result["library_missing"] is True
        assert not path.exists()

    @pytest.mark.parametrize("option", ["certificate", "chain", "private_key"])
    @pytest.mark.parametrize(("content", "words"), [(None, "does not exist on this host"), ("", "is empty"), ("nothing", "no PEM block at all")])
    def test_what_needs_no_library_is_said(self, without, tmp_path, option, content, words):
        file = tmp_path / "wrong"
        if content is not None:
            file.write_text(content)
        result = run({**without, option: str(file)})
        assert words in result["msg"]
        assert "library_missing" not in result


class TestFinished:
    """A bundle that the controller made: the host is asked for its digest, and sent the bundle only if that is another."""

    @pytest.fixture(params=[True, False], ids=["with cryptography", "without cryptography"])
    def finished(self, request, monkeypatch, path):
        monkeypatch.setattr(pem_bundle, "HAS_CRYPTOGRAPHY", request.param)
        data = house().leaf.pem + house().chain + house().leaf.key
        return data, {"path": str(path), "sha256": hashlib.sha256(data).hexdigest()}

    def test_the_whole_way(self, finished, path):
        data, options = finished
        for old in (None, OLD):
            if old:
                path.write_bytes(old)
            asked = run(options)
            assert (asked["changed"], asked["bundle_changed"], path.exists() and path.read_bytes()) == (True, True, old or False)
            sent = run({**options, "certificate_content": data.decode()})
            assert (sent["changed"], sent["bundle_changed"], path.read_bytes(), mode(path)) == (True, True, data, 0o600)
            assert not any(secret in found["printed"] for secret in secrets(house().leaf.key) for found in (asked, sent))
            again = run(options)
            assert (again["changed"], again["bundle_changed"]) == (False, False)

    def test_mode_alone(self, finished, path):
        data, options = finished
        path.write_bytes(data)
        path.chmod(0o644)
        assert (run(options, check=True)["changed"], mode(path)) == (True, 0o644)
        result = run(options)
        assert (result["changed"], result["bundle_changed"], mode(path)) == (True, False, 0o600)

    def test_another_digest(self, finished, path):
        data, options = finished
        result = run({**options, "certificate_content": data.decode() + "x"})
        assert result["msg"] == "sha256 is not that of certificate_content, which has to be the finished bundle with it."
        assert not path.exists()


@pytest.mark.parametrize("age, left", [(30, True), (90, False)])
@pytest.mark.parametrize("check", [True, False])
def test_leftovers_of_a_run_that_was_cut_off(age, left, check, path, tmp_path, monkeypatch):
    options = on_disk(tmp_path, house().given(path=str(path)))
    monkeypatch.setattr(pem_bundle.AnsibleModule, "tmpdir", str(tmp_path / "tmp" / "ansible-tmp-2"))
    (tmp_path / "tmp" / "ansible-tmp-1").mkdir(parents=True)
    ours = [path.parent / ".ansible_tmpabc", tmp_path / "tmp" / "ansible-tmp-1" / "AnsiballZ_pem_bundle.py"]
    others = [path.parent / "other.pem", tmp_path / "tmp" / "ansible-tmp-1" / "AnsiballZ_copy.py"]
    for found in (*ours, *others):
        found.write_bytes(house().leaf.key)
        os.utime(found, (time.time() - age,) * 2)
    run(options, check=check)
    assert [found.exists() for found in ours] == [left or check] * 2
    assert [found.exists() for found in others] == [True, True]


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
def test_never_wider_than_its_owner(old, observer, path, tmp_path):
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
    monkeypatch.setattr(syslog, "syslog", lambda *arguments: logged.append(repr(arguments)))
    monkeypatch.setattr(pem_bundle.AnsibleModule, "run_command", lambda self, command, **options: commands.append(command))
    texts = {f"{key}_content": value.decode() for key, value in house().given(domain=b"").items() if value}
    result = run({**texts, "certificate_content": texts["certificate_content"] + texts["private_key_content"], "path": str(path)})
    assert result["changed"] is True and logged and not commands
    seen = repr([logged, result, capfd.readouterr()])
    assert "example.com" in seen
    assert not any(secret in seen for secret in secrets(house().leaf.key))


OPENED = []
sys.addaudithook(lambda event, arguments: OPENED.append((event, arguments)) if event in ("open", "tempfile.mkstemp", "os.mkdir") else None)


@pytest.mark.parametrize("texts", [True, False])
def test_key_is_written_to_no_other_file(texts, path, tmp_path):
    """Its only files are the one that was given and the bundle with its temporary one; what Python's TLS reads is a pipe."""
    options = on_disk(tmp_path, house().given(path=str(path)))
    if texts:
        options = {"path": str(path), **{f"{key}_content": value.decode() for key, value in house().given(domain=b"").items() if value}}
    del OPENED[:]
    run(options)
    written = [arguments[0] for event, arguments in OPENED if event == "open" and isinstance(arguments[0], str) and arguments[2] & (os.O_WRONLY | os.O_RDWR)]
    # By its name alone: it is opened in the directory that was judged, whatever a path leads to by now
    assert [name.startswith(".ansible_tmp") for name in written] == [True]
    assert os.listdir(path.parent) == [path.name]


def test_key_stays_out_of_a_traceback(path, tmp_path, monkeypatch, capfd):
    def broken(*arguments, **options):
        raise RuntimeError("broken")

    monkeypatch.setattr(pem_bundle, "write", broken)
    with pytest.raises(RuntimeError) as failure:
        run({**{f"{key}_content": value.decode() for key, value in house().given(domain=b"").items() if value}, "path": str(path)})
    assert not any(secret in str(failure.getrepr()) for secret in secrets(house().leaf.key))
