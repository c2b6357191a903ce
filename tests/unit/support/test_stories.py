# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stories on several hosts share runs, each is sent its own outcome, and one that goes wrong neither hides nor stops another."""

from __future__ import annotations

from ansible_collections.webcallserver.balancer.tests.support.stories import Run, tell


class Recorder:
    """A fleet whose runs come to what they were given."""

    def __init__(self):
        self.runs = []

    def play_on(self, playbook, hosts, *arguments):
        self.runs.append((playbook, {host: dict(variables) for host, variables in hosts.items()}, arguments))
        return {host: (host, variables.get("step"), bool(arguments)) for host, variables in hosts.items()}


def steps(*runs):
    async def story(fleet, host):
        for run in runs:
            found = yield run
            assert found == (host, run.variables.get("step"), run.check)

    return story


def test_hosts_share_runs_and_each_gets_its_own_outcome():
    fleet = Recorder()
    assert tell(fleet, "play.yml", {"a": {"one": steps(Run({"step": 1})), "two": steps(Run({"step": 2}))}, "b": {"three": steps(Run({"step": 3}))}}) == {}
    assert fleet.runs == [("play.yml", {"a": {"step": 1}, "b": {"step": 3}}, ()), ("play.yml", {"a": {"step": 2}}, ())]


def test_checking_and_changing_are_runs_of_their_own():
    fleet = Recorder()
    told = {
        "a": {"checks": steps(Run({"step": 1}, check=True), Run({"step": 2}))},
        "b": {"changes": steps(Run({"step": 3}))},
        "c": {"checks": steps(Run(check=True))},
    }
    assert tell(fleet, "play.yml", told) == {}
    assert [(sorted(hosts), arguments) for _playbook, hosts, arguments in fleet.runs] == [(["a", "c"], ("--check",)), (["a", "b"], ())]


def test_a_story_that_goes_wrong_is_named_and_the_next_one_is_told():
    cleaned = []

    async def fails(fleet, host):
        try:
            yield Run({"step": 1})
            raise ValueError("wrong")
        finally:
            cleaned.append(host)

    async def fails_at_once(fleet, host):
        if host:
            raise ValueError("at once")
        yield Run({})

    fleet = Recorder()
    wrong = tell(fleet, "play.yml", {"a": {"fails": fails, "early": fails_at_once, "goes on": steps(Run({"step": 2}))}, "b": {"well": steps(Run({"step": 3}))}})
    assert {at: str(problem) for at, problem in wrong.items()} == {("a", "fails"): "wrong", ("a", "early"): "at once"}
    assert cleaned == ["a"]
    assert [hosts for _playbook, hosts, _arguments in fleet.runs] == [{"a": {"step": 1}, "b": {"step": 3}}, {"a": {"step": 2}}]


def test_nothing_asked_for_runs_nothing():
    fleet = Recorder()
    assert tell(fleet, "play.yml", {"a": {}, "b": {}}) == {}
    assert fleet.runs == []
