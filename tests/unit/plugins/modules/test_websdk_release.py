# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module as a task runs it: whatever the archive, the site that was there stays whole."""

from __future__ import annotations

import functools
import gzip
import http.server
import io
import json
import os
import stat
import tarfile
import threading
import time

import pytest
import yaml
from ansible_collections.webcallserver.balancer.plugins.module_utils import _release
from ansible_collections.webcallserver.balancer.plugins.modules import websdk_release
from ansible_collections.webcallserver.balancer.tests.support import modules, websdk


@pytest.fixture(name="run")
def fixture_run(tmp_path):
    """Runs the module on the site: run(check_mode, option=value...) gives its result."""

    def run(check: bool = False, **options):
        texts = {name: str(value) for name, value in options.items()}
        return modules.run(websdk_release, {"path": str(tmp_path / "site"), "_ansible_remote_tmp": str(tmp_path), **texts}, check)

    return run


@pytest.fixture(name="site")
def fixture_site(tmp_path):
    return tmp_path / "site"


@pytest.fixture(name="good")
def fixture_good(tmp_path):
    return websdk.pack(tmp_path / "websdk.tgz")


def another(tmp_path, number: str):
    """An archive of another version."""
    files = {**websdk.FILES, "package.json": f'{{"version": "{number}"}}'.encode()}
    return websdk.pack(tmp_path / f"{number}.tgz", files)


@pytest.mark.parametrize("prefix", ["", "./", "package/", "./package/", "release/flashphoner-api-2.0.206/", "a/b/c/"])
def test_leading_directories_are_found_out(run, site, tmp_path, prefix):
    archive = websdk.pack(tmp_path / "a.tar.gz", prefix=prefix, extra=(websdk.member("README"), websdk.member("x/README")))
    result = run(src=archive, sha256=websdk.sha256(archive))
    assert result["release"] == f"2.0.276-{websdk.sha256(archive)[:12]}"
    assert {name: (site / "wcs" / name).read_bytes() for name in websdk.FILES} == websdk.FILES
    beside = {"README", "x"} if prefix in ("", "./") else set()
    assert set(os.listdir(site / "wcs")) == {"doc", "examples", "flashphoner.js", "package.json"} | beside


def test_a_websdk_within_the_websdk_is_left_where_it_is(run, site, tmp_path):
    inner = ("package/examples/inner/flashphoner.js", "package/examples/inner/examples/page.html")
    run(src=websdk.pack(tmp_path / "a.tgz", extra=tuple(websdk.member(name) for name in inner)))
    assert (site / "wcs" / "flashphoner.js").read_bytes() == websdk.FILES["flashphoner.js"]
    assert (site / "wcs" / "examples" / "inner" / "flashphoner.js").exists()


def test_owners_modes_and_times_are_our_own(run, site, good):
    umask = os.umask(0o077)
    try:
        run(src=good)
    finally:
        os.umask(umask)
    entries = [os.lstat(os.path.join(directory, name)) for directory, directories, files in os.walk(site) for name in (*directories, *files) if name != ".lock"]
    assert stat.S_IMODE(os.lstat(site / ".lock").st_mode) == 0o600
    kinds = {(stat.S_IFMT(entry.st_mode), stat.S_IMODE(entry.st_mode)) for entry in entries if not stat.S_ISLNK(entry.st_mode)}
    assert kinds == {(stat.S_IFDIR, 0o755), (stat.S_IFREG, 0o644)}
    assert {(entry.st_uid, entry.st_gid) for entry in entries} == {(os.getuid(), os.getgid())}
    # nginx makes its ETag of time and size: two releases must not share both
    assert min(entry.st_mtime for entry in entries) > os.stat(good).st_mtime - 60


def test_links_within_the_release_become_what_they_name(run, site, tmp_path):
    links = (
        websdk.member("package/sdk.js", tarfile.SYMTYPE, "./flashphoner.js"),
        websdk.member("package/examples/sdk.js", tarfile.SYMTYPE, "../flashphoner.js"),
        websdk.member("package/demo", tarfile.SYMTYPE, "examples/demo"),
        websdk.member("package/examples/same.js", tarfile.LNKTYPE, "package/flashphoner.js"),
    )
    run(src=websdk.pack(tmp_path / "a.tgz", extra=links))
    for name in ("sdk.js", "examples/sdk.js", "examples/same.js"):
        assert (site / "wcs" / name).read_bytes() == websdk.FILES["flashphoner.js"]
    assert (site / "wcs" / "demo" / "streaming").is_dir()
    assert not [path for path in (site / "releases").rglob("*") if path.is_symlink()]


def test_a_second_run_changes_nothing_and_check_mode_predicts(run, site, good):
    options = {"src": good, "sha256": websdk.sha256(good).upper()}
    predicted = run(check=True, **options)
    assert predicted["changed"] and not site.exists()
    done = run(**options)
    assert {**done, "invocation": None} == {**predicted, "invocation": None}
    assert done["diff"] == {"before": "", "after": f"* {done['release']}\n"}
    before = websdk.snapshot(site)
    for check in (True, False):
        assert run(check=check, **options)["changed"] is False
        assert run(check=check, src=good)["changed"] is False
        # Its release is there, the archive is not needed any more
        assert run(check=check, src="/nonexistent", sha256=websdk.sha256(good))["changed"] is False
    assert websdk.snapshot(site) == before


def test_in_check_mode_a_missing_archive_is_one_that_will_come(run, site):
    result = run(check=True, src="/nonexistent", sha256="a" * 64)
    assert (result["changed"], result["releases"]) == (True, ["a" * 12])
    assert not site.exists()


def test_releases_are_kept_switched_and_gone_back_to(run, site, tmp_path, good):
    names = [run(src=archive, keep=3)["release"] for archive in (good, *(another(tmp_path, number) for number in ("3.0.0", "4.0.0", "5.0.0")))]
    assert sorted(os.listdir(site / "releases")) == sorted(names[1:])
    assert os.readlink(site / "wcs") == f"releases/{names[3]}"
    back = run(release=names[1], keep=3)
    assert (back["changed"], back["releases"]) == (True, [names[3], names[2], names[1]])
    assert os.readlink(site / "wcs") == f"releases/{names[1]}"
    assert run(release=names[1], keep=3)["changed"] is False
    # The one that is served stays, old as it is
    assert run(release=names[1], keep=2)["releases"] == [names[3], names[1]]
    assert run(release=names[1], keep=1)["releases"] == [names[1]]
    assert os.listdir(site / "releases") == [names[1]]


def test_a_release_that_is_not_there_is_answered_with_those_that_are(run, site, good):
    release = run(src=good)["release"]
    before = websdk.snapshot(site)
    for wanted in ("1.0.0", "", "..", f"../releases/{release}", "."):
        assert run(release=wanted)["msg"] == f"there is no release {wanted!r} in {site}, there is {release}."
    assert websdk.snapshot(site) == before


def test_what_an_interrupted_run_left_and_damage_are_made_good(run, site, good):
    release = run(src=good)["release"]
    (site / "releases" / ".unpacking-abc").mkdir()
    (site / "releases" / "notes").mkdir()
    (site / ".wcs-new").symlink_to("nowhere")
    (site / "wcs" / "flashphoner.js").unlink()
    assert run(src=good)["changed"]
    assert (site / "wcs" / "flashphoner.js").read_bytes() == websdk.FILES["flashphoner.js"]
    assert sorted(os.listdir(site / "releases")) == sorted(["notes", release])


GOOD = {
    "hard links, one before what it names, one to another": (
        websdk.member("package/a.js", tarfile.LNKTYPE, "package/b.js"),
        websdk.member("package/b.js", tarfile.LNKTYPE, "package/flashphoner.js"),
    ),
    "a hard link to a link": (
        websdk.member("package/b.js", tarfile.SYMTYPE, "flashphoner.js"),
        websdk.member("package/a.js", tarfile.LNKTYPE, "package/b.js"),
    ),
    "links through links": (
        websdk.member("package/d", tarfile.SYMTYPE, "examples/demo"),
        websdk.member("package/a.js", tarfile.SYMTYPE, "d/../../flashphoner.js"),
    ),
    "a label": (websdk.member("Release 2", b"V"), websdk.member("package/a.js", tarfile.SYMTYPE, "flashphoner.js")),
    "a link to nowhere, and one beside the release": (
        websdk.member("package/x", tarfile.SYMTYPE, "nowhere"),
        websdk.member("x", tarfile.SYMTYPE, "/etc"),
        websdk.member("package/a.js", tarfile.LNKTYPE, "./package/flashphoner.js"),
    ),
    "odd names": (
        websdk.member("package/doc/Index.html"),
        websdk.member("package/doc/a b\n\x01;'\"#$%.html"),
        websdk.member("package/doc/stra\xdfe \u2028.html"),
        websdk.member("package/doc/\udcff.html"),
        websdk.member("package/doc/" + "long/" * 20 + "a.html"),
        websdk.member("package/a.js", tarfile.SYMTYPE, ".//./flashphoner.js"),
    ),
}


@pytest.mark.parametrize("case", GOOD)
def test_what_tar_can_say_otherwise_is_understood(run, site, tmp_path, case):
    archive = websdk.pack(tmp_path / "a.tgz", extra=GOOD[case])
    assert run(src=archive, sha256=websdk.sha256(archive))["changed"]
    assert (site / "wcs" / "a.js").read_bytes() == websdk.FILES["flashphoner.js"]
    assert not [path for path in (site / "releases").rglob("*") if path.is_symlink() or path.stat().st_mode & 0o7777 not in (0o755, 0o644)]
    names = {name for info in GOOD[case] if info.isreg() for name in [info.name.partition("/")[2]]}
    assert all(os.path.isfile(os.path.join(os.fsencode(site / "wcs"), name.encode("utf-8", "surrogateescape"))) for name in names)


@pytest.mark.parametrize("kind", [tarfile.LNKTYPE, tarfile.SYMTYPE])
def test_flashphoner_js_may_be_another_name_of_a_file(run, site, tmp_path, kind):
    code = websdk.FILES["flashphoner.js"]
    files = {name: content for name, content in websdk.FILES.items() if name != "flashphoner.js"} | {"flashphoner-2.0.206.js": code}
    target = "package/flashphoner-2.0.206.js" if kind == tarfile.LNKTYPE else "flashphoner-2.0.206.js"
    run(src=websdk.pack(tmp_path / "a.tgz", files, extra=(websdk.member("package/flashphoner.js", kind, target),)))
    assert (site / "wcs" / "flashphoner.js").read_bytes() == code


def test_of_a_file_that_comes_twice_the_last_one_counts(run, site, tmp_path):
    archive = websdk.pack(tmp_path / "a.tgz", prefix="./package/", extra=(websdk.member("package/flashphoner.js", size=3),))
    run(src=archive)
    assert (site / "wcs" / "flashphoner.js").read_bytes() == bytes(3)


def truncated(path, cut: int):
    path.write_bytes(path.read_bytes()[:-cut])
    return path


def packed(name, **arguments):
    return lambda tmp_path: websdk.pack(tmp_path / name, **arguments)


def written(content: bytes):
    def write(tmp_path):
        (tmp_path / "bad.tgz").write_bytes(content)
        return tmp_path / "bad.tgz"

    return write


def with_member(*arguments, **named):
    return packed("bad.tgz", extra=(websdk.member(*arguments, **named),))


ONLY_CODE = {name: content for name, content in websdk.FILES.items() if not name.startswith("examples/")}
NO_CODE = {name: content for name, content in websdk.FILES.items() if name != "flashphoner.js"}
TWO = packed("bad.tgz", prefix="a/", extra=(websdk.member("b/flashphoner.js"), websdk.member("b/examples/page.html")))

BAD = {
    "parent": (with_member("../evil.js"), "member '../evil.js' would land outside of the release"),
    "parent within": (with_member("package/../../evil.js"), "member 'package/../../evil.js' would land outside of the release"),
    "parent that returns": (with_member("package/x/../evil.js"), "member 'package/x/../evil.js' would land outside of the release"),
    "absolute": (with_member("/etc/cron.d/evil"), "member '/etc/cron.d/evil' would land outside of the release"),
    "link to the root": (with_member("package/evil", tarfile.SYMTYPE, "/etc/passwd"), "is a link to '/etc/passwd', outside of the release"),
    "link upwards": (with_member("package/evil", tarfile.SYMTYPE, "../evil"), "is a link to '../evil', outside of the release"),
    "link far upwards": (with_member("package/examples/evil", tarfile.SYMTYPE, "../../../x"), "is a link to '../../../x', outside of the release"),
    "link that winds": (with_member("package/evil", tarfile.SYMTYPE, "examples/../.."), "is a link to 'examples/../..', outside of the release"),
    "link in a circle": (with_member("package/examples/evil", tarfile.SYMTYPE, "../examples"), "the archive has a directory within itself, by a link"),
    "link to the release": (with_member("package/evil", tarfile.SYMTYPE, "."), "the archive has a directory within itself, by a link"),
    "links that chase each other": (
        packed("bad.tgz", extra=(websdk.member("package/a", tarfile.SYMTYPE, "b"), websdk.member("package/b", tarfile.SYMTYPE, "a"))),
        "leads through more than 16 links",
    ),
    "link through a link": (
        packed(
            "bad.tgz",
            extra=(websdk.member("package/a", tarfile.SYMTYPE, "examples/demo"), websdk.member("package/evil", tarfile.SYMTYPE, "a/../../../etc/passwd")),
        ),
        "member 'package/evil' is a link to 'a/../../../etc/passwd', outside of the release",
    ),
    "prefix and link together": (
        packed("bad.tgz", prefix="proc/self/root/etc/", extra=(websdk.member("proc/self/root/etc/evil", tarfile.SYMTYPE, "../../../../etc"),)),
        "is a link to '../../../../etc', outside of the release",
    ),
    "prefix named as the target": (
        packed("bad.tgz", prefix="etc/", extra=(websdk.member("etc/evil", tarfile.SYMTYPE, "../etc/passwd"),)),
        "is a link to '../etc/passwd', outside of the release",
    ),
    "hard link to a link that leads out": (
        packed(
            "bad.tgz",
            extra=(websdk.member("package/doc/a", tarfile.SYMTYPE, "../doc"), websdk.member("package/evil", tarfile.LNKTYPE, "package/doc/a")),
        ),
        "member 'package/evil' is a link to '../doc', outside of the release",
    ),
    "hard link to a directory": (
        packed("bad.tgz", extra=(websdk.member("package/d", tarfile.DIRTYPE), websdk.member("package/evil", tarfile.LNKTYPE, "package/d"))),
        "is a link to 'package/d', which is no file of the release",
    ),
    "hard link to itself": (with_member("package/evil", tarfile.LNKTYPE, "package/evil"), "is a link to 'package/evil', which is no file of the release"),
    "hard link to the root": (with_member("package/evil", tarfile.LNKTYPE, "/etc/passwd"), "is a link to '/etc/passwd', which is no file of the release"),
    "hard link upwards": (with_member("package/evil", tarfile.LNKTYPE, "../evil"), "is a link to '../evil', which is no file of the release"),
    "hard link beside the release": (
        packed("bad.tgz", extra=(websdk.member("other"), websdk.member("package/evil", tarfile.LNKTYPE, "other"))),
        "is a link to 'other', which is no file of the release",
    ),
    "hard link to nothing": (with_member("package/evil", tarfile.LNKTYPE, "package/x"), "is a link to 'package/x', which is no file of the release"),
    "through a link": (
        packed("bad.tgz", extra=(websdk.member("package/a", tarfile.SYMTYPE, "examples"), websdk.member("package/a/evil"))),
        "member 'package/a/evil' runs through 'package/a', which is not a directory",
    ),
    "through a later link": (
        packed("bad.tgz", extra=(websdk.member("package/a/evil"), websdk.member("package/a", tarfile.SYMTYPE, "examples"))),
        "member 'package/a/evil' runs through 'package/a', which is not a directory",
    ),
    "through a file": (with_member("package/flashphoner.js/evil"), "runs through 'package/flashphoner.js', which is not a directory"),
    "twice, as two things": (
        with_member("package/flashphoner.js", tarfile.SYMTYPE, "package.json"),
        "the archive has 'package/flashphoner.js' twice, as a file and as a symlink",
    ),
    "a directory with a size": (written(gzip.compress(websdk.header("package/", b"5", size=512))), "is a directory with a size"),
    "a hard link with a size": (written(gzip.compress(websdk.header("package/a", b"1", size=512))), "is a hardlink with a size"),
    "a size beyond all measure": (written(gzip.compress(websdk.header("package/a", b"0", size=99999999999999))), "the archive unpacks to more than 2 MiB"),
    "a negative size": (written(gzip.compress(websdk.header("package/a", b"0", size=-1))), "the archive unpacks to more than 2 MiB"),
    "an extended header beyond all measure": (
        written(gzip.compress(websdk.header("x", b"x", size=99999999999999))),
        "the archive has more than 8 MiB of headers, which no WebSDK has",
    ),
    "a name beyond all measure": (written(gzip.compress(websdk.header("x", b"L", size=99999999999999))), "the archive has more than 8 MiB of headers"),
    "a size by an extended header": (
        written(gzip.compress(websdk.header("x", b"x", data=b"23 size=99999999999999\n") + websdk.header("package/a", b"0"))),
        "the archive unpacks to more than 2 MiB",
    ),
    "one name for all": (
        written(gzip.compress(websdk.header("x", b"g", data=b"16 path=package\n"))),
        "the archive has a header that gives all members one name or size, which no WebSDK has",
    ),
    "an extended header that is none": (written(gzip.compress(websdk.header("x", b"x", data=b"0 a=b\n"))), "an extended header that cannot be read"),
    "absolute by an extended header": (
        written(gzip.compress(websdk.header("x", b"x", data=b"20 path=/etc/passwd\n") + websdk.header("package/a", b"0"))),
        "member '/etc/passwd' would land outside of the release",
    ),
    "parent by a long name": (
        written(gzip.compress(websdk.header("x", b"L", data=b"a/../../../evil\0") + websdk.header("package/a", b"0"))),
        "member 'a/../../../evil' would land outside of the release",
    ),
    "NUL in a name": (
        written(gzip.compress(websdk.header("x", b"x", data=b"12 path=a\0b\n") + websdk.header("package/a", b"0"))),
        "would land outside of the release",
    ),
    "a very long name": (with_member("package/" + "a" * 300), "has a longer name than any file of a WebSDK"),
    "very deep": (with_member("a/" * 200 + "b"), "has a longer name than any file of a WebSDK"),
    "a link to a very long path": (with_member("package/a", tarfile.SYMTYPE, "./" * 300 + "b"), "is a link to a longer path than any of a WebSDK"),
    "labels without end": (written(gzip.compress(websdk.header("a", b"V") * 20000)), "the archive has more than 8 MiB of headers"),
    "sparse by an extended header": (
        written(gzip.compress(websdk.header("x", b"x", data=b"22 GNU.sparse.major=1\n") + websdk.header("package/a", b"0"))),
        "member 'package/a' is a sparse file, which no WebSDK contains",
    ),
    "character device": (with_member("package/evil", tarfile.CHRTYPE), "member 'package/evil' is a device, which no WebSDK contains"),
    "block device": (with_member("package/evil", tarfile.BLKTYPE), "member 'package/evil' is a device, which no WebSDK contains"),
    "FIFO": (with_member("package/evil", tarfile.FIFOTYPE), "member 'package/evil' is a FIFO, which no WebSDK contains"),
    "unknown kind": (with_member("package/evil", b"Z"), "member 'package/evil' is a special file, which no WebSDK contains"),
    "size bomb": (with_member("package/bomb", size=3 * 1024 * 1024), "the archive unpacks to more than 2 MiB, which no WebSDK does"),
    "size bomb after the end": (
        lambda tmp_path: written(websdk.pack(tmp_path / "a").read_bytes() + gzip.compress(bytes(40 * 1024 * 1024)))(tmp_path),
        "the archive unpacks to more than",
    ),
    "count bomb": (
        packed("bad.tgz", extra=tuple(websdk.member(f"package/{number}") for number in range(60))),
        "the archive has more than 50 members, which no WebSDK has",
    ),
    "count bomb of one name": (
        packed("bad.tgz", extra=tuple(websdk.member("package/examples", tarfile.DIRTYPE) for number in range(60))),
        "the archive has more than 50 members, which no WebSDK has",
    ),
    "no flashphoner.js": (packed("bad.tgz", files=NO_CODE), "the archive has no flashphoner.js with a directory examples/ beside it: it is not a WebSDK"),
    "no examples": (packed("bad.tgz", files=ONLY_CODE), "the archive has no flashphoner.js with a directory examples/ beside it: it is not a WebSDK"),
    "flashphoner.js leads nowhere": (
        packed("bad.tgz", files=NO_CODE, extra=(websdk.member("package/flashphoner.js", tarfile.SYMTYPE, "nowhere.js"),)),
        "the archive has no flashphoner.js with a directory examples/ beside it: it is not a WebSDK",
    ),
    "two": (TWO, "the archive has more than one WebSDK: 'a' and 'b'"),
    "truncated": (lambda tmp_path: truncated(websdk.pack(tmp_path / "bad.tgz"), 300), "it is not a complete gzip-compressed tar archive"),
    "truncated in the checksum": (lambda tmp_path: truncated(websdk.pack(tmp_path / "bad.tgz"), 3), "it is not a complete gzip-compressed tar archive"),
    "not gzip": (written(b"PK\x03\x04 a zip file"), "it is not a gzip-compressed tar archive but a zip archive"),
    "a page": (written(b"<!DOCTYPE html><h1>404"), "it is not a gzip-compressed tar archive but a page of HTML or XML"),
    "empty": (written(b""), "it is not a gzip-compressed tar archive but empty"),
    "not tar": (written(gzip.compress(b"Hello" * 500)), "it is not a complete gzip-compressed tar archive"),
    "tar of nothing": (packed("bad.tgz", files={}), "the archive has no flashphoner.js"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("check", [True, False], ids=["check", "run"])
def test_a_bad_archive_is_refused_and_the_site_stays(run, site, tmp_path, good, monkeypatch, case, check):
    monkeypatch.setattr(_release, "LARGEST_RELEASE", 2 * 1024 * 1024)
    monkeypatch.setattr(_release, "MOST_MEMBERS", 50)
    run(src=good)
    make, complaint = BAD[case]
    bad = make(tmp_path)
    before, beside = websdk.snapshot(site), sorted(os.listdir(tmp_path))
    result = run(check=check, src=bad, sha256=websdk.sha256(bad))
    assert result["failed"] and "exception" not in result
    assert result["msg"].startswith(f"{bad} is refused: ") and complaint in result["msg"] and result["msg"].endswith(".")
    assert "\n" not in result["msg"]
    assert websdk.snapshot(site) == before
    assert sorted(os.listdir(tmp_path)) == beside


def test_a_wrong_checksum_is_refused(run, site, tmp_path, good):
    run(src=good)
    before = websdk.snapshot(site)
    other = another(tmp_path, "3.0.0")
    assert run(src=other, sha256="0" * 64)["msg"] == f"{other} is refused: its SHA-256 is {websdk.sha256(other)}, not {'0' * 64}."
    assert websdk.snapshot(site) == before


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"src": "/nonexistent"}, "/nonexistent cannot be read or written: No such file or directory."),
        ({"src": "/"}, "/ is not a file."),
        ({"src": "/dev/zero"}, "/dev/zero is not a file."),
        ({"src": "/nonexistent", "sha256": "abc"}, "sha256 is 'abc': a SHA-256 has 64 hexadecimal digits."),
        ({"src": "/nonexistent", "keep": 0}, "keep is 0: at least one release, the one that is served, is kept."),
        ({}, "one of the following is required: src, url, release"),
        ({"src": "/a", "url": "https://b"}, "parameters are mutually exclusive: src|url|release"),
    ],
)
def test_wrong_options_are_refused(run, options, complaint):
    assert run(**options)["msg"] == complaint


def test_an_archive_too_large_is_refused_unread(run, good, monkeypatch):
    monkeypatch.setattr(_release, "LARGEST_ARCHIVE", 1)
    assert run(src=good)["msg"] == f"{good} is larger than 0 MiB, which no WebSDK is."


def test_a_directory_in_the_place_of_the_link_is_not_touched(run, site, good):
    (site / "wcs").mkdir(parents=True)
    assert run(src=good)["msg"] == f"{site}/wcs is not a symbolic link: move it away, the releases of the WebSDK are switched there."
    assert os.listdir(site) == ["wcs"]


def test_a_full_disk_leaves_the_site(run, site, tmp_path, good, monkeypatch):
    run(src=good)
    before = websdk.snapshot(site)

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_release.shutil, "copyfileobj", full)
    other = another(tmp_path, "3.0.0")
    assert run(src=other)["msg"] == f"{other} is refused: it could not be unpacked: [Errno 28] No space left on device."
    assert websdk.snapshot(site).keys() == before.keys()
    assert {name: value[3] for name, value in websdk.snapshot(site).items()} == {name: value[3] for name, value in before.items()}


class Server(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        self.server.requests.append(self.path)


@pytest.fixture(name="server")
def fixture_server(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Server, directory=tmp_path))
    server.requests = []
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_bundle_from_an_address_is_downloaded_once(run, site, good, server):
    url = f"http://user:secret@127.0.0.1:{server.server_port}/websdk.tgz?token=secret"
    for changed in (True, False):
        result = run(url=url, sha256=websdk.sha256(good))
        assert result["changed"] is changed
    assert server.requests == ["/websdk.tgz?token=secret"]
    assert (site / "wcs" / "flashphoner.js").read_bytes() == websdk.FILES["flashphoner.js"]


class Odd(http.server.BaseHTTPRequestHandler):
    """Serves one archive in the ways that servers have: DELIVERIES[the path's first word](handler, content)."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def answer(self, content, length=None, status=200, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Transfer_Encoding" not in headers:
            self.send_header("Content-Length", str(len(content) if length is None else length))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)
        self.close_connection = True

    def do_GET(self):
        self.server.asked.append(self.headers.get("Accept-Encoding"))
        DELIVERIES[self.path.partition("?")[0].strip("/").partition(".")[0]](self, self.server.content)


def chunks(content, end=b"0\r\n\r\n"):
    return b"%x\r\n%s\r\n" % (len(content), content) + end


DELIVERIES = {
    "plain": lambda handler, content: handler.answer(content),
    "encoded": lambda handler, content: handler.answer(content, Content_Encoding="gzip", Content_Type="application/x-tar"),
    "x-encoded": lambda handler, content: handler.answer(content, Content_Encoding="x-gzip", Content_Type="application/x-gzip"),
    "upper": lambda handler, content: handler.answer(content, Content_Encoding="GZIP"),
    "text": lambda handler, content: handler.answer(content, Content_Type="text/html; charset=utf-8", Content_Encoding="gzip"),
    "twice": lambda handler, content: handler.answer(gzip.compress(content), Content_Encoding="gzip"),
    "twice-unsaid": lambda handler, content: handler.answer(gzip.compress(content)),
    "chunked": lambda handler, content: handler.answer(chunks(content), Transfer_Encoding="chunked"),
    "moved": lambda handler, content: handler.answer(b"", status=302, Location="/encoded.tar.gz"),
    "short": lambda handler, content: handler.answer(content[:-100], length=len(content)),
    "long": lambda handler, content: handler.answer(content, length=len(content) - 100),
    "cut": lambda handler, content: handler.answer(chunks(content[:100], b"5000\r\nx"), Transfer_Encoding="chunked"),
    "empty": lambda handler, content: handler.answer(b""),
    "none": lambda handler, content: handler.answer(b"", status=204),
    "part": lambda handler, content: handler.answer(content[:100], status=206, Content_Range=f"bytes 0-99/{len(content)}"),
    "circle": lambda handler, content: handler.answer(b"", status=302, Location="/circle.tar.gz"),
    "elsewhere": lambda handler, content: handler.answer(b"", status=302, Location="file:///etc/passwd"),
    "forbidden": lambda handler, content: handler.answer(b"secret" * 1000, status=403),
    "endless": lambda handler, content: handler.answer(b"x" * 100, status=500, length=10**12),
}


@pytest.fixture(name="odd")
def fixture_odd(good, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Odd)
    server.content, server.asked = good.read_bytes(), []
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("way", ["plain", "encoded", "x-encoded", "upper", "text", "twice", "twice-unsaid", "chunked", "moved"])
@pytest.mark.parametrize("known", [True, False], ids=["checksum", "none"])
def test_the_files_own_bytes_count_however_they_are_delivered(run, site, good, odd, way, known):
    result = run(url=f"http://127.0.0.1:{odd.server_port}/{way}.tar.gz", **({"sha256": websdk.sha256(good)} if known else {}))
    assert result["release"] == f"2.0.276-{websdk.sha256(good)[:12]}"
    assert (site / "wcs" / "flashphoner.js").read_bytes() == websdk.FILES["flashphoner.js"]
    assert set(odd.asked) == {"gzip"}


@pytest.mark.parametrize(
    ("way", "complaint"),
    [
        ("short", "did not come whole: "),
        ("long", "its SHA-256 is"),
        ("cut", "cannot be downloaded: "),
        ("empty", "its SHA-256 is"),
        ("none", "the server answers with 204"),
        ("part", "the server answers with 206, not with a file"),
        ("circle", "the server answers with 302"),
        ("elsewhere", "the server answers with 302"),
        ("forbidden", "the server answers with 403: Forbidden"),
        ("endless", "the server answers with 500: Internal Server Error"),
    ],
)
def test_a_delivery_that_is_none_is_one_sentence(run, site, good, odd, way, complaint):
    run(src=good)
    before = websdk.snapshot(site)
    address = f"127.0.0.1:{odd.server_port}/{way}.tar.gz"
    result = run(url=f"http://user:secret@{address}?secret", sha256="0" * 64)
    assert result["failed"] and "exception" not in result
    assert result["msg"].startswith(f"http://{address} ") and complaint in result["msg"] and "\n" not in result["msg"]
    assert "secret" not in json.dumps(result)
    assert websdk.snapshot(site) == before


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("file:///x.tar.gz", "file:///x.tar.gz cannot be downloaded: of addresses only https:// and http:// can be used, and src names a file on the host."),
        ("ftp://u:secret@h/x.tgz", "ftp://h/x.tgz cannot be downloaded: of addresses only https:// and http:// can be used, and src names a file on the host."),
        ("http://127.0.0.1:1/x.tgz?secret", "http://127.0.0.1:1/x.tgz cannot be downloaded: "),
        ("http://u:secret@127.0.0.1:99999/x.tgz", "http://127.0.0.1:99999/x.tgz cannot be downloaded: "),
        ("http://u:secret@[::1/x.tgz", "http://[::1/x.tgz cannot be downloaded: "),
        ("http://nowhere.invalid/x.tgz", "http://nowhere.invalid/x.tgz cannot be downloaded: "),
    ],
)
def test_messages_are_about_the_address_as_it_was_given(run, monkeypatch, url, told):
    monkeypatch.setenv("no_proxy", "*")
    result = run(url=url)
    assert result["msg"].startswith(told) and "\n" not in result["msg"] and "exception" not in result
    assert "secret" not in json.dumps(result)


def test_a_server_without_a_certificate_of_an_authority_is_told_by_its_address(run, odd):
    address = f"https://127.0.0.1:{odd.server_port}/plain.tar.gz"
    assert run(url=address)["msg"].startswith(f"{address} cannot be downloaded: ")


def dense(files: int = 0, links: int = 0, headers: bytes = b"", size: int = 0):
    """An archive of a megabyte at most that asks for as much work as it can."""

    def make(path):
        with gzip.open(path, "wb", compresslevel=9) as out:
            for name, content in websdk.FILES.items():
                out.write(websdk.header(f"package/{name}", b"0", data=content))
            for number in range(files):
                out.write(websdk.header(f"package/{'d/' * 20}{number}", b"0", data=bytes(size)))
            for number in range(links):
                out.write(websdk.header(f"package/l{number}", b"2"))
            for _time in range(20000 if headers else 0):
                out.write(headers)

    return make


def laughs(path):
    """Directories of links to directories of links."""
    links = [websdk.member(f"package/a{depth}/{number}", tarfile.SYMTYPE, f"../a{depth + 1}") for depth in range(25) for number in range(30)]
    websdk.pack(path, extra=(*links, websdk.member("package/a25/file")))


HEAVY = {
    "zeros": dense(files=1, size=200 * 1024 * 1024),
    "members": dense(files=20500),
    "labels": dense(headers=websdk.header("a", b"V")),
    "comments": dense(headers=websdk.header("x", b"x", data=b"5 a=\n" * 100)),
    "long names": dense(headers=websdk.header("x", b"L", data=b"a/" * 2000)),
    "a vast header": dense(files=1, headers=websdk.header("x", b"x", size=99999999999999)),
    "laughs": laughs,
    "many gzips": lambda path: path.write_bytes(gzip.compress(b"") * 45000),
    "a long name of gzip": lambda path: path.write_bytes(b"\x1f\x8b\x08\x08" + bytes(6) + b"a" * 1000000),
}


@pytest.mark.parametrize("case", HEAVY)
def test_no_archive_of_a_megabyte_takes_more_than_seconds(run, site, tmp_path, case):
    archive = tmp_path / "heavy.tgz"
    HEAVY[case](archive)
    assert archive.stat().st_size <= 1024 * 1024
    before = time.process_time()
    result = run(src=archive)
    assert time.process_time() - before < 10
    assert result["failed"] and "exception" not in result and not (site / "wcs").exists()


def test_without_a_checksum_an_address_is_asked_every_time(run, good, server):
    url = f"http://127.0.0.1:{server.server_port}/websdk.tgz"
    assert [run(url=url)["changed"] for _time in range(2)] == [True, False]
    assert len(server.requests) == 2


def test_a_bad_address_is_one_sentence_without_its_secrets(run, server, good, monkeypatch):
    address = f"127.0.0.1:{server.server_port}"
    complaint = run(url=f"http://user:secret@{address}/none.tgz?secret")["msg"]
    assert complaint == f"http://{address}/none.tgz cannot be downloaded: the server answers with 404: File not found."
    complaint = run(url=f"http://{address}/websdk.tgz", sha256="0" * 64)["msg"]
    assert complaint == f"http://{address}/websdk.tgz is refused: its SHA-256 is {websdk.sha256(good)}, not {'0' * 64}."
    monkeypatch.setattr(_release, "LARGEST_ARCHIVE", 1)
    assert run(url=f"http://{address}/websdk.tgz")["msg"] == f"http://{address}/websdk.tgz is larger than 0 MiB, which no WebSDK is."


def test_a_site_is_never_without_a_release_while_it_is_switched(run, site, tmp_path, good):
    names = [run(src=archive)["release"] for archive in (good, another(tmp_path, "3.0.0"))]
    stop, misses = threading.Event(), []

    def watch():
        while not stop.is_set():
            try:
                (site / "wcs" / "flashphoner.js").stat()
            except OSError as failure:
                misses.append(failure)

    watcher = threading.Thread(target=watch)
    watcher.start()
    for turn in range(200):
        _release.switch(str(site), names[turn % 2])
    stop.set()
    watcher.join()
    assert not misses


def test_what_changes_between_reading_and_unpacking_cannot_escape(tmp_path, good):
    with open(good, "rb") as stream:
        plan, _version = _release.examine(stream)
    evil = io.BytesIO(websdk.pack(tmp_path / "evil.tgz", extra=(websdk.member("../evil"), websdk.member("package/x", tarfile.SYMTYPE, "/etc"))).read_bytes())
    (tmp_path / "release").mkdir()
    _release.unpack(evil, plan, str(tmp_path / "release"))
    assert not (tmp_path / "evil").exists()
    assert sorted(os.listdir(tmp_path / "release")) == ["doc", "examples", "flashphoner.js", "package.json"]


def test_the_examples_do_what_they_say(run, site, good, tmp_path):
    """The documented tasks one after the other; an archive of the tests' own, and what came of another one, stand for the named ones."""
    before = run(src=another(tmp_path, "2.0.206"))["release"]
    install, back = (task["webcallserver.balancer.websdk_release"] for task in yaml.safe_load(websdk_release.EXAMPLES))
    assert run(**install | {"path": site, "src": good, "sha256": websdk.sha256(good)})["changed"]
    assert back["release"].startswith("2.0.206-")
    assert run(**back | {"path": site, "release": before})["release"] == before
    assert (site / "wcs" / "package.json").read_bytes() == b'{"version": "2.0.206"}'
