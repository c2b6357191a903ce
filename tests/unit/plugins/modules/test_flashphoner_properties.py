# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module as a task runs it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.parameters import PASS_VARS
from ansible.module_utils.testing import patch_module_args
from ansible_collections.webcallserver.balancer.plugins.module_utils._properties import MASK
from ansible_collections.webcallserver.balancer.plugins.modules import flashphoner_properties
from ansible_collections.webcallserver.balancer.tests.support import paths

CORPUS = yaml.safe_load(paths.CORPUS.read_text(encoding="utf-8"))
# As with -vvv. Older versions of ansible-core always show them, and know no such switch.
SHOW_ARGUMENTS = {"_ansible_inject_invocation": True} if "inject_invocation" in PASS_VARS else {}
CONTENT = b"# WCS\nws.port =8080\ndb.password=hunter2\n"


@pytest.fixture(name="run")
def fixture_run(capsys):
    """Runs the module: run(check_mode, option=value...) gives its result."""

    def run(check: bool = False, **options):
        with patch_module_args({**options, "_ansible_check_mode": check, "_ansible_diff": True, **SHOW_ARGUMENTS}), pytest.raises(SystemExit):
            flashphoner_properties.main()
        return json.loads(capsys.readouterr().out)

    return run


@pytest.fixture(name="file")
def fixture_file(tmp_path):
    file = tmp_path / "conf" / "flashphoner.properties"
    file.parent.mkdir()
    file.write_bytes(CONTENT)
    return file


def state(file: Path) -> tuple:
    """Everything about a file that a run could change, and its neighbours."""
    status = file.stat()
    return file.read_bytes(), status.st_mode, status.st_uid, status.st_gid, status.st_ino, sorted(os.listdir(file.parent))


@pytest.mark.parametrize("nasty", CORPUS, ids=lambda nasty: nasty["name"])
def test_check_mode_predicts_the_run_and_a_second_run_changes_nothing(run, file, nasty):
    file.write_bytes(nasty["before"].encode("latin-1"))
    before = state(file)
    options = {"path": str(file), "properties": nasty["wanted"]}
    predicted = run(check=True, **options)
    assert state(file) == before
    result = run(**options)
    assert result == {**predicted, "invocation": result["invocation"]}
    assert file.read_bytes() == nasty["after"].encode("latin-1")
    assert result["changed"] == (nasty["before"] != nasty["after"])
    assert result["changed_keys"] == list(result["previous"]) == nasty.get("changed_keys", list(nasty["wanted"]))
    assert os.listdir(file.parent) == [file.name]

    converged = state(file)
    again = run(**options)
    assert not again["changed"] and again["changed_keys"] == [] and again["previous"] == {}
    assert again["diff"][0]["before"] == again["diff"][0]["after"]
    assert state(file) == converged


@pytest.mark.parametrize(
    ("path", "content", "properties", "message"),
    [
        ("none", CONTENT, {"a": 1}, "{path} does not exist: install Web Call Server on this host first, or name its properties file with 'path'."),
        ("none/none", CONTENT, {"a": 1}, "{path} does not exist: install Web Call Server on this host first, or name its properties file with 'path'."),
        ("", CONTENT, {"a": 1}, "{path} is a directory: name the file itself."),
        ("flashphoner.properties", b"x" * 5_000_000, {"a": 1}, "{path} is larger than 4 MiB: that is not a file of this kind."),
        (
            "flashphoner.properties",
            b"a=1\nb=\\u00\n",
            {"b": 1},
            "{path}: line 2 has a \\u without four hexadecimal digits, for which Java refuses the whole file: correct that line first.",
        ),
        (
            "flashphoner.properties",
            CONTENT,
            {"a": 1, "b": ["hunter2"]},
            "{path}: the value wanted for b is a list: give text, a number or a boolean, or null to remove the key.",
        ),
        (
            "flashphoner.properties",
            b"-Xmx1024M\n-Djava.net.preferIPv4Stack=true\n",
            {"-Xmx2048M": ""},
            "{path}: this holds options of the Java virtual machine (-Xmx1024M), one a line, and no properties: edit it with ansible.builtin.lineinfile.",
        ),
        ("flashphoner.properties", CONTENT, {"": "x"}, "{path}: one of the wanted properties has an empty name."),
    ],
)
@pytest.mark.parametrize("check", [True, False])
def test_what_is_refused_changes_nothing(run, file, check, path, content, properties, message):
    file.write_bytes(content)
    before = state(file)
    path = str(file.parent / path) if path else str(file.parent)
    result = run(check, path=path, properties=properties, backup=True)
    assert result["failed"] and result["msg"] == message.format(path=path)
    assert state(file) == before


def test_owner_group_and_mode_are_kept(run, file):
    owner, group = (4711, 4712) if os.getuid() == 0 else (os.getuid(), os.getgid())
    os.chown(file, owner, group)
    file.chmod(0o640)
    assert run(path=str(file), properties={"ws.port": 8181})["changed"]
    status = file.stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (owner, group, 0o640)


@pytest.mark.parametrize("properties", [{}, {"ws.port": 8080}, {"ws.port": 8181}])
def test_file_attributes(run, file, properties):
    file.chmod(0o644)
    options = {"path": str(file), "properties": properties, "mode": "0600"}
    predicted = run(check=True, **options)
    assert file.stat().st_mode & 0o7777 == 0o644
    result = run(**options)
    assert result == {**predicted, "invocation": result["invocation"]}
    assert result["changed"] and file.stat().st_mode & 0o7777 == 0o600
    assert result["diff"][1] == {"before": {"mode": "0644"}, "after": {"mode": "0600"}}
    assert result["changed_keys"] == [key for key, value in properties.items() if value == 8181]
    assert not run(**options)["changed"]


def test_a_link_is_followed(run, file, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(file)
    owner = 4711 if os.getuid() == 0 else os.getuid()
    options = {"path": str(link), "properties": {"ws.port": 8181}, "mode": "0600", "owner": str(owner)}
    assert run(**options)["changed"]
    assert link.is_symlink()
    assert b"8181" in file.read_bytes()
    assert (file.stat().st_uid, file.stat().st_mode & 0o7777) == (owner, 0o600)
    assert link.lstat().st_uid == os.getuid()
    assert not run(**options)["changed"]


def test_backup(run, file):
    file.chmod(0o600)
    options = {"path": str(file), "properties": {"ws.port": 8181}, "backup": True}
    assert "backup_file" not in run(check=True, **options)
    backup = Path(run(**options)["backup_file"])
    assert backup.parent == file.parent
    assert backup.read_bytes() == CONTENT
    assert backup.stat().st_mode & 0o7777 == 0o600
    assert "backup_file" not in run(**options)
    assert len(os.listdir(file.parent)) == 2


def test_previous(run, file):
    result = run(path=str(file), properties={"new": True, "ws.port": 8181, "db.password": "x", "gone": None})
    assert result["changed_keys"] == ["new", "ws.port", "db.password"]
    assert result["previous"] == {"new": None, "ws.port": "8080", "db.password": MASK}


@pytest.mark.parametrize("check", [True, False])
def test_secrets_are_neither_shown_nor_logged(run, file, monkeypatch, check):
    logged = []
    monkeypatch.setattr(AnsibleModule, "log", lambda _module, message, log_args=None: logged.append((message, log_args)))
    file.write_bytes(CONTENT + b"# old password: hunter3\ncam=rtsp://user:hunter4@cam\n")
    properties = {"ws.port": 8181, "db.password": "hunter5", "api.key": "hunter6", "cam": "rtsp://u:hunter7@cam"}
    result = run(check, path=str(file), properties=properties, backup=True)
    assert result["changed"]
    assert "hunter" not in json.dumps(result)
    assert logged and "hunter" not in repr(logged)
    before, after = (result["diff"][0][side].splitlines() for side in ("before", "after"))
    assert f"db.password={MASK}" in before
    assert {f"db.password={MASK} (changed)", f"api.key={MASK} (changed)", f"cam={MASK} (changed)", "ws.port =8181"} <= set(after)
    assert result["invocation"]["module_args"]["properties"] == {"ws.port": 8181, "db.password": MASK, "api.key": MASK, "cam": MASK}


def test_what_the_file_means_is_returned_without_secrets(run, file):
    assert run(path=str(file), properties={"new": 1})["effective"] == {"ws.port": "8080", "db.password": MASK, "new": "1"}
