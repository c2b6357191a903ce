# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run is refused for before it has changed anything, and in which words."""

from __future__ import annotations

import re

import pytest
from ansible_collections.webcallserver.balancer.plugins.plugin_utils.run import SPECS, TAGS, brief, kind_of_failure, run_problems, run_refusals
from ansible_collections.webcallserver.balancer.tests.support.paths import CHECKOUT

BOTH = ["nodes", "balancers"]
GROUPS = {"all": ["wcs1", "wcs2", "lb1", "db1"], "ungrouped": ["db1"], "wcs_nodes": ["wcs1", "wcs2"], "wcs_balancers": ["lb1"], "empty": []}
ALL = GROUPS["all"]


@pytest.mark.parametrize(
    ("parts", "variables", "hosts"),
    [
        (BOTH, {}, ALL),
        (BOTH, {"ansible_run_tags": ["all"], "ansible_skip_tags": []}, ALL),
        (BOTH, {"ansible_run_tags": ["certificate", "agent"], "ansible_skip_tags": ["ports"]}, ALL),
        # As Molecule calls Ansible for a second run
        (BOTH, {"ansible_skip_tags": ["molecule-notest", "notest", "molecule-idempotence-notest"]}, ALL),
        (BOTH, {"ansible_limit": "wcs1"}, ["wcs1"]),
        (["balancers"], {"wcs_nodes_group": "nobody"}, ["lb1"]),
        (BOTH, {"wcs_web": "false", "wcs_verify_page": "/wcs/?a=b", "wcs_verify_address": "2001:db8::1"}, ALL),
        (BOTH, {"wcs_node_anything": 1, "wcs_elsewhere": 1}, ALL),
    ],
)
def test_a_run_that_makes_sense(parts, variables, hosts):
    assert run_problems(parts, variables, GROUPS, hosts) == []


@pytest.mark.parametrize(
    ("parts", "variables", "hosts", "said"),
    [
        (BOTH, {"ansible_run_tags": ["x"]}, ALL, "There is no tag x; there are agent, "),
        (BOTH, {"ansible_run_tags": ["certificat"]}, ALL, "no tag certificat (did you mean certificate?)"),
        (BOTH, {"ansible_run_tags": ["agent", "docs"]}, ALL, "no tag docs"),
        (BOTH, {"ansible_skip_tags": ["webs"]}, ALL, "no tag webs (did you mean web?)"),
        (BOTH, {"wcs_nodes_group": "wcs_node"}, ALL, "The group wcs_node is not in the inventory (did you mean wcs_nodes?): put the nodes into it"),
        (BOTH, {"wcs_balancers_group": "lbs"}, ALL, "-e wcs_balancers_group=…"),
        (BOTH, {"wcs_nodes_group": "empty"}, ALL, "The group empty has no host"),
        (["nodes"], {"wcs_nodes_group": ""}, ALL, "The group  is not in the inventory"),
        (["balancers"], {"ansible_limit": "wcs1"}, ["wcs1"], "--limit wcs1 leaves no host of wcs_balancers"),
        (BOTH, {"ansible_limit": "db1"}, ["db1"], "--limit db1 leaves no host of wcs_nodes and wcs_balancers"),
        (BOTH, {"wcs_verify_pages": "/"}, ALL, "wcs_verify_pages is no variable of the playbooks: did you mean wcs_verify_page?"),
        (BOTH, {"wcs_balancer_group": "x"}, ALL, "did you mean wcs_balancers_group?"),
        (BOTH, {"wcs_web": "maybe"}, ALL, "wcs_web"),
        (BOTH, {"wcs_verify_page": "page.html"}, ALL, "wcs_verify_page is 'page.html'"),
        (BOTH, {"wcs_verify_page": "/a b\r\nX: y"}, ALL, "wcs_verify_page"),
        (BOTH, {"wcs_verify_address": "lb1/x"}, ALL, "wcs_verify_address"),
        (BOTH, {"wcs_verify_address": "10.0.0.1\n"}, ALL, "wcs_verify_address"),
    ],
)
def test_a_run_that_would_do_nothing_or_something_else(parts, variables, hosts, said):
    problems = run_problems(parts, variables, GROUPS, hosts)
    assert len(problems) == 1
    assert said in problems[0]


@pytest.mark.parametrize(
    ("plays", "run", "skip", "left"),
    [
        (["nodes"], ["all"], [], True),
        (["nodes"], [], [], True),
        (["nodes"], ["agent"], [], True),
        (["nodes"], ["nodes"], ["agent"], True),
        (["nodes"], ["certificate"], [], False),
        (["nodes"], ["certificate", "ports"], [], True),
        (["nodes"], ["agent"], ["agent"], False),
        (["nodes"], ["untagged"], [], False),
        (["nodes"], ["tagged"], [], True),
        (["nodes"], ["all"], ["tagged"], False),
        (["web"], ["config"], [], False),
        (["web"], ["all"], ["web"], False),
        (["balancer"], ["agent"], [], False),
        (["nodes", "web", "balancer"], ["properties"], [], True),
        (["nodes", "web", "balancer"], ["all"], ["nodes", "web", "balancer"], False),
        (["nodes", "web", "balancer"], ["all"], ["nodes", "web"], True),
        ([], ["certificate"], [], True),
    ],
)
def test_a_choice_of_tags_that_leaves_nothing_is_refused(plays, run, skip, left):
    problems = run_problems(BOTH, {"ansible_run_tags": run, "ansible_skip_tags": skip}, GROUPS, ALL, plays=plays)
    assert [problem.startswith("The tags that are chosen leave nothing of this playbook to do: its tags are ") for problem in problems] == [True] * (not left)


def test_a_group_named_where_no_playbook_reads_it():
    (problem,) = run_problems(BOTH, {"wcs_nodes_group": "wcs_nodes"}, GROUPS, ALL, ["wcs_nodes_group", "other"])
    assert "wcs_nodes_group is set in the inventory" in problem


def test_all_that_is_wrong_is_said_at_once():
    assert len(run_problems(BOTH, {"ansible_run_tags": ["x", "y"], "wcs_nodes_group": "a", "wcs_balancers_group": "b", "wcs_web": 7}, GROUPS, ALL)) == 5


WELL = {"problem": "", "detail": ""}
UNREACHABLE = {"problem": "unreachable", "detail": "Data could not be sent. Make sure this host can be reached over ssh: connect to port 22: No route to host"}
RIGHTS = {"problem": "rights", "detail": "sudo: a password is required\n"}
HELD = {"problem": "held", "detail": "deploy on laptop, process 7", "minutes": 12, "path": "/run/lock"}
FAILED = {"problem": "failed", "detail": "/usr/bin/python3: not found\x1b[2J"}


@pytest.mark.parametrize(
    ("results", "limit", "said"),
    [
        ({"a": WELL, "b": WELL}, None, []),
        ({"a": WELL, "b": UNREACHABLE}, None, ["b cannot be reached (connect to port 22: No route to host)", "bring it back", "--limit '!b'"]),
        ({"a": UNREACHABLE, "b": UNREACHABLE, "c": UNREACHABLE}, "web", ["a, b and c cannot be reached", "--limit 'web,!a,!b,!c'"]),
        ({"a": RIGHTS, "b": WELL}, None, ["Ansible is not root on a (sudo: a password is required): see ansible_become"]),
        ({"a": HELD}, None, ["Another run is at work on a: deploy on laptop, process 7.", "in 12 minutes", "rm /run/lock"]),
        ({"a": None, "b": WELL}, None, ["a did not come this far"]),
        ({"a": FAILED}, None, ["a could not be asked (/usr/bin/python3: not found [2J)"]),
        ({"a": UNREACHABLE, "b": HELD}, None, ["a cannot be reached", "at work on b"]),
    ],
)
def test_one_text_for_all_hosts_that_a_run_cannot_have(results, limit, said):
    text = run_refusals(results, limit)
    assert all(part in text for part in said)
    assert bool(text) == bool(said)
    assert "\n" not in text and "\x1b" not in text
    assert not said or text.startswith("Nothing was changed on any host.")


def test_a_run_that_has_changed_something_does_not_say_it_has_not():
    assert run_refusals({"a": UNREACHABLE}, changed=True).startswith("What comes next in this run was not begun. a cannot")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Missing sudo password", "rights"),
        ("Premature end of stream waiting for become success.\n>>> sudo: a password is required", "rights"),
        ("admin is not in the sudoers file", "rights"),
        ("su: Authentication failure", "rights"),
        ("root@10.0.0.1: Permission denied (publickey,password).", "other"),
        ("Host key verification failed. The host key of 10.0.0.1 has changed", "other"),
        ("ssh: Could not resolve hostname sudo-box: Name or service not known", "other"),
        ("Missing sudo password", "rights"),
        ("Incorrect su password", "rights"),
        ("sudo: a password is required", "rights"),
        ("ann is not in the sudoers file", "rights"),
        ("Timeout (12s) waiting for privilege escalation prompt", "rights"),
        ("Connection timed out", "other"),
    ],
)
def test_what_kind_of_failure_it_was(text, kind):
    assert kind_of_failure(text, "other") == kind


@pytest.mark.parametrize(("text", "line"), [("a\nb", "a b"), ("\x1b]0;x\x07", "]0;x"), ("x" * 5000, "x" * 200 + "…"), (None, "None"), ("end.", "end")])
def test_what_others_wrote_is_one_printable_line(text, line):
    assert brief(text) == line


def test_every_tag_is_one_that_something_has_and_the_other_way_round():
    files = [*CHECKOUT.glob("playbooks/parts/*.yml"), *CHECKOUT.glob("roles/*/tasks/main.yml"), *CHECKOUT.glob("roles/*/tasks/changes.yml")]
    found = {tag.strip() for file in files for tags in re.findall(r"tags: \[(.*)\]", file.read_text(encoding="utf-8")) for tag in tags.split(",")}
    assert found == {*TAGS, "always"}


def test_the_variables_of_the_playbooks_are_those_of_their_page():
    page = (CHECKOUT / "docs" / "playbooks.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(wcs_\w+)` \|", page, re.MULTILINE)) == set(SPECS)
