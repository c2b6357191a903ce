# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One look answers every question, and a question that has no answer has a sentence in its place."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.webcallserver.balancer.plugins.modules import host_look
from ansible_collections.webcallserver.balancer.tests.support import modules

DPKG_QUERY = """#!/bin/sh
for name; do :; done
case $name in
haproxy) echo 'installed 3.2.5-1' ;;
removed) echo 'config-files 1.0' ;;
held) echo 'installed 1.0' ;;
*) exit 1 ;;
esac
"""
SYSTEMCTL = """#!/bin/sh
printf 'LoadState=loaded\\nActiveState=active\\nSubState=running\\nUnitFileState=enabled\\nNeedDaemonReload=no\\nInvocationID=1234\\nMainPID=1\\n'
"""


@pytest.fixture(name="look")
def fixture_look(tmp_path, monkeypatch):
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, text in (("dpkg-query", DPKG_QUERY), ("systemctl", SYSTEMCTL)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")

    return lambda **questions: modules.run(host_look, questions)


def test_a_look_without_questions_says_nothing(look):
    answers = look()
    assert {key: value for key, value in answers.items() if key != "invocation"} == {
        "changed": False,
        "files": {},
        "packages": [],
        "users": {},
        "programs": {},
        "services": {},
    }


@pytest.mark.parametrize("name", ["haproxy", "haproxy=3.2.*", "haproxy=3.2.5-1", "held", "haproxy/trixie-backports", "haproxy>=3.1", "haproxy>=3.2.5-1"])
def test_a_package_that_is_there(look, name):
    assert look(packages=[name])["packages"] == []


@pytest.mark.parametrize("name", ["nginx", "removed", "haproxy=3.0.*", "haproxy>=3.3", "held=2*", "haproxy<4", ""])
def test_a_package_that_is_not_there_or_in_another_version(look, name):
    assert look(packages=[name])["packages"] == [name]


def test_a_program_is_run_and_one_that_is_missing_is_said_to_be(look):
    answers = look(programs={"said": {"argv": ["sh", "-s", "there"], "stdin": "echo hello $1\nexit 3\n"}, "none": {"argv": ["no-such-program"]}})
    assert answers["programs"]["said"] == {"rc": 3, "stdout": "hello there\n", "stdout_lines": ["hello there", ""]}
    assert answers["programs"]["none"] == {"rc": 127, "stdout": "", "stdout_lines": []}


def test_a_line_is_what_a_newline_ends(look):
    assert look(programs={"said": {"argv": ["printf", "a\\342\\200\\250b\\n"]}})["programs"]["said"]["stdout_lines"] == ["a\u2028b", ""]


def test_users_that_there_are(look):
    assert look(users=["root", "no-such-user"])["users"] == {"root": {"home": "/root", "shell": look(users=["root"])["users"]["root"]["shell"]}}


def test_a_service_is_compared_with_its_files(look, tmp_path):
    (tmp_path / "settings").write_text("a = 1\n")
    (tmp_path / "record").write_text(f"# 1234\n{'0' * 64}  {tmp_path}/settings\n")
    answer = look(services={"it": {"unit": "it.service", "record": str(tmp_path / "record"), "files": [str(tmp_path / "settings")]}})["services"]["it"]
    assert answer["reasons"] == [f"{tmp_path}/settings is not what it was loaded from"] and answer["files"] == [f"{tmp_path}/settings"]
    assert answer["enabled"] and answer["active"] and answer["arguments"]


def test_a_unit_that_is_masked_does_not_run_on_its_file(look, tmp_path):
    (tmp_path / "it.service").symlink_to("/dev/null")
    (tmp_path / "record").write_text(f"# 1234\n{'0' * 64}  {tmp_path}/it.service\n")
    answer = look(services={"it": {"unit": "it.service", "record": str(tmp_path / "record"), "files": [str(tmp_path / "it.service")]}})["services"]["it"]
    assert answer["reasons"] == [f"{tmp_path}/it.service is not what it was loaded from"]


def test_what_may_be_secret_is_in_no_answer_and_no_log(look, tmp_path, monkeypatch):
    logged = []
    monkeypatch.setattr(host_look.AnsibleModule, "log", lambda _module, *said, **more: logged.append((said, more)))
    answers = look(
        configuration={"path": str(tmp_path / "none"), "package": "haproxy"},
        sections="listen a\n    stats auth admin:hush\n",
        properties={"path": str(tmp_path / "none"), "service": "wcs", "started_on": str(tmp_path / "started-on")},
        wanted={"k.password": "hu\\sh", "keystorePass": "a\nhush"},
    )
    assert logged and not [word for word in ("hush", "hu\\sh", r"hu\\sh") if word in json.dumps(answers) + repr(logged)]


def test_a_look_that_breaks_off_is_none(look):
    said = look(programs={"firewall": {"argv": ["sh", "-c", "echo half; echo oh >&2; exit 3"], "must": True}})
    assert said["failed"] and "ended with 3): oh" in said["msg"]


@pytest.mark.parametrize(
    ("question", "asked"),
    [
        ("properties", {"path": "{}/none", "service": "wcs", "started_on": "{}/started-on"}),
        ("configuration", {"path": "{}/pipe", "package": "haproxy"}),
        ("site", {"path": "{}", "release": "", "sha256": "", "keep": 1}),
    ],
)
def test_what_cannot_be_answered_is_a_sentence(look, tmp_path, question, asked):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "wcs").mkdir()
    answer = look(**{question: {key: value.format(tmp_path) if isinstance(value, str) else value for key, value in asked.items()}})[question]
    assert list(answer) == ["msg"] and str(tmp_path) in answer["msg"]


def test_a_look_changes_nothing_and_tells_no_secret(look, tmp_path):
    path = tmp_path / "flashphoner.properties"
    path.write_text("a=1\npassword=hush\n")
    path.chmod(0o600)
    answers = look(properties={"path": str(path), "service": "wcs", "started_on": f"{tmp_path}/run/started-on"}, wanted={"a": 2, "keystorePass": "quiet"})
    assert answers["properties"]["changed_keys"] == ["a", "keystorePass"] and answers["properties"]["effective"]["a"] == "2"
    assert "hush" not in json.dumps(answers) and "quiet" not in json.dumps(answers)
    assert path.read_text() == "a=1\npassword=hush\n" and not (tmp_path / "run").exists()
