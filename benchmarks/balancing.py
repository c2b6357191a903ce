# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulate pools of 10 and 100 nodes whose sessions come and go, and compare what decides where the next one goes.

    python3 benchmarks/balancing.py [--quick] [--json PATH] [--table PATH]

The how-to's agent, this collection's (its own code measures, judges and words the replies), and the floor: a balancer that knows every node at every moment,
and Erlang's formula. Nothing but the standard library; the same seeds give the same figures.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import json
import math
import random
import statistics
import sys
from collections import namedtuple
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT / "roles" / "wcs_node" / "files"))
import wcs_agent

HOLD = 300.0  # mean seconds of a session
CAPACITY = 100  # sessions at which a node reaches its limit
BURST_SECONDS = 10
CPU_LIMIT = 90
CPU_NOISE = 3.0  # standard deviation of one second's CPU, in points
SIZES = {10: 10, 100: 2}  # nodes in a pool, and how many such pools a full run looks at
MARKS = ("<!-- measured: begin -->\n", "<!-- measured: end -->\n")
LOAD_AVERAGE = 60.0  # time constant of the kernel's load average, by which the how-to judges CPU

# load and burst: parts of the pool's capacity; small: the part of the nodes that has half the capacity
Scenario = namedtuple("Scenario", "name load burst small measure lognormal", defaults=(0.0, 0.0, "publishers", False))
SCENARIOS = (
    Scenario("80 % full", 0.8),
    Scenario("95 % full", 0.95),
    Scenario("95 % full, a few sessions last very long", 0.95, lognormal=True),
    Scenario("95 % full, the limit is CPU", 0.95, measure="cpu"),
    Scenario("as much as there is room for", 1.0),
    Scenario("80 % full, then 30 % more in ten seconds", 0.8, burst=0.3),
    Scenario("80 % full, half the nodes half as big", 0.8, small=0.5),
)

# graded None: the how-to's script; every: seconds from poll to poll; maxconn: the balancer counts too; sized: and weighs the nodes by that;
# slowstart: seconds in which HAProxy raises weight and maxconn of a node that came up, the latter by whole seconds
Policy = namedtuple("Policy", "name every graded maxconn sized slowstart instant", defaults=(False, False, 0, False))
POLICIES = (
    Policy("how-to: `up 100%` or `down`, asked every 5 s", 5, None),
    Policy("the same, and `maxconn` at the limit", 5, None, maxconn=True),
    Policy("ours without grades, asked every second", 1, False),
    Policy("**ours, graded, asked every second**", 1, True),
    Policy("**the same, and `maxconn` at the limit**", 1, True, maxconn=True, sized=True),
    Policy("the same, and HAProxy's `slowstart` of 10 s", 1, True, maxconn=True, sized=True, slowstart=10),
    Policy("floor: least loaded, known at once", 1, None, instant=True),
)

# percent of a node beyond its limit at worst, percent of the sessions refused, standard deviation of the load over its mean, ups and downs of a node an hour
Result = namedtuple("Result", "overshoot refused variation flaps")


def erlang_b(offered: float, servers: int) -> float:
    """Return the part of the sessions that finds all servers taken."""
    blocked = 1.0
    for number in range(1, servers + 1):
        blocked = offered * blocked / (number + offered * blocked)
    return blocked


class Node:
    """A node: what runs on it, what its agent makes of that, and what the balancer last heard."""

    def __init__(self, capacity: int, scenario: Scenario, policy: Policy):
        self.capacity, self.scenario, self.policy = capacity, scenario, policy
        self.sessions = 0
        self.average = CPU_LIMIT * scenario.load
        limit = {"cpu": CPU_LIMIT} if scenario.measure == "cpu" else {"publishers": capacity}
        self.meter = wcs_agent.Meter(wcs_agent.make_settings({"limits": limit, "graded": bool(policy.graded)}))
        self.verdict = None
        self.up, self.percent, self.since, self.turn = True, 100, -1e9, 0.0

    def sample(self, now: float, chance: random.Random) -> None:
        """Measure and judge, as the node does once a second."""
        value, used = self.sessions, CPU_LIMIT * self.sessions / self.capacity
        self.average += (used - self.average) / LOAD_AVERAGE
        if self.policy.graded is None:
            return
        if self.scenario.measure == "cpu":
            value = self.meter._smooth("cpu", max(0.0, min(100.0, chance.gauss(used, CPU_NOISE))), now)
        self.verdict = wcs_agent.decide(self.meter.settings.limits, wcs_agent.Reading({self.scenario.measure: value}, now), self.verdict)

    def reply(self) -> bytes:
        """Return what the node's agent says when it is asked; the how-to's looks at that moment."""
        if self.policy.graded is not None:
            return wcs_agent.reply(self.verdict)
        reached = self.average >= CPU_LIMIT if self.scenario.measure == "cpu" else self.sessions >= self.capacity
        return b"down\n" if reached else b"up 100%\n"

    def hear(self, line: bytes, now: float) -> bool:
        """Take the agent's line as HAProxy does, and say whether the node went up or down."""
        words = line.partition(b"#")[0].split()
        was, self.up = self.up, words[0] == b"up"
        for word in words:
            if word.endswith(b"%"):
                self.percent = int(word[:-1])
        if self.up and not was:
            self.since = now
        return self.up != was

    def weight(self, now: float) -> float:
        """Return the weight that counts; one that has just come up has less of it."""
        weight = self.percent * (self.capacity / CAPACITY if self.policy.sized else 1)
        ramp = (now - self.since) / self.policy.slowstart if self.policy.slowstart else 1
        return weight * min(1, max(0.05, ramp))

    def full(self, now: float) -> bool:
        """Return whether the balancer counts as many sessions as it gives the node."""
        seconds = math.floor(now) - math.floor(self.since)
        ramp = min(1, seconds / self.policy.slowstart) if self.policy.slowstart else 1
        return self.policy.maxconn and self.sessions >= max(1, self.capacity * ramp)


def choose(nodes: list, policy: Policy, now: float):
    """Return the node that gets the next session, None when there is none."""
    if policy.instant:
        node = min(nodes, key=lambda node: node.sessions / node.capacity)
        return node if node.sessions < node.capacity else None
    everything, best = 0.0, None
    for node in nodes:
        if node.up and not node.full(now):
            weight = node.weight(now)
            node.turn += weight
            everything += weight
            if best is None or node.turn > best.turn:
                best = node
    if best is not None:
        best.turn -= everything
    return best


class Pool:
    """Nodes behind a balancer, and what is to happen to them."""

    def __init__(self, scenario: Scenario, policy: Policy, size: int, seed: int):
        self.scenario, self.policy = scenario, policy
        self.comings, self.chance = random.Random(seed), random.Random(seed + 1)  # apart, so that every policy gets the same sessions
        self.nodes = [Node(CAPACITY // 2 if number < scenario.small * size else CAPACITY, scenario, policy) for number in range(size)]
        self.room = sum(node.capacity for node in self.nodes)
        self.now, self.events, self.numbers = 0.0, [], itertools.count()
        self.begun = self.left = self.came = self.refused = self.flaps = 0
        self.overshoot, self.spreads = 0.0, []
        for node in self.nodes:
            for _session in range(round(scenario.load * node.capacity)):
                self._begin(node, self._duration())
            if not policy.instant:
                self._later(self.chance.random(), self.sample, node)
                self._later(1 + self.chance.random() * policy.every, self.poll, node)
        self._later(0, self.flow)

    def run(self, until: float) -> None:
        """Let happen what happens until then."""
        while self.events[0][0] < until:
            self.now, _number, action, arguments = heapq.heappop(self.events)
            action(*arguments)
        self.now = until

    def watch(self, seconds: float) -> Result:
        """Forget what was counted so far, and count for so long."""
        self.came = self.refused = self.flaps = 0
        self.overshoot, self.spreads = 0.0, []
        for _session in range(round(self.scenario.burst * self.room)):
            self._later(self.comings.random() * BURST_SECONDS, self.come)
        self._later(0, self.look)
        self.run(self.now + seconds)
        flaps = self.flaps / len(self.nodes) / seconds * 3600
        return Result(100 * self.overshoot, 100 * self.refused / self.came, statistics.fmean(self.spreads), flaps)

    def _later(self, seconds: float, action, *arguments) -> None:
        heapq.heappush(self.events, (self.now + seconds, next(self.numbers), action, arguments))

    def _begin(self, node: Node, seconds: float) -> None:
        node.sessions += 1
        self.begun += 1
        self._later(seconds, self.leave, node)

    def _duration(self) -> float:
        return self.comings.lognormvariate(math.log(HOLD) - 0.5, 1) if self.scenario.lognormal else self.comings.expovariate(1 / HOLD)

    # What happens

    def flow(self) -> None:
        """A session of the steady stream comes; the next one is due."""
        self._later(self.comings.expovariate(self.scenario.load * self.room / HOLD), self.flow)
        self.come()

    def come(self) -> None:
        """A session comes."""
        self.came += 1
        duration = self._duration()
        node = choose(self.nodes, self.policy, self.now)
        if node is None:
            self.refused += 1
            return
        self._begin(node, duration)
        self.overshoot = max(self.overshoot, node.sessions / node.capacity - 1)

    def leave(self, node: Node) -> None:
        """A session ends."""
        node.sessions -= 1
        self.left += 1

    def sample(self, node: Node) -> None:
        """A node's agent measures."""
        node.sample(self.now, self.chance)
        self._later(1, self.sample, node)

    def poll(self, node: Node) -> None:
        """The balancer asks an agent."""
        self.flaps += node.hear(node.reply(), self.now)
        self._later(self.policy.every, self.poll, node)

    def look(self) -> None:
        """How unlike are the nodes?"""
        uses = [node.sessions / node.capacity for node in self.nodes]
        self.spreads.append(statistics.pstdev(uses) / statistics.fmean(uses))
        self._later(5, self.look)


def simulate(case: tuple) -> Result:
    """Run one policy in one scenario with every seed: the worst overshoot, the mean of the rest."""
    scenario, policy, size, warm, seconds, seeds = case
    results = []
    for seed in range(seeds):
        pool = Pool(scenario, policy, size, 2 * seed)
        pool.run(warm)
        results.append(pool.watch(seconds))
    means = Result(*(statistics.fmean(values) for values in zip(*results)))
    return means._replace(overshoot=max(result.overshoot for result in results))


def offered(scenario: Scenario, size: int) -> tuple:
    """Return the pool's offered load in Erlang, and its room."""
    room = size * CAPACITY - round(scenario.small * size) * (CAPACITY // 2)
    return scenario.load * room, room


def table(results: dict) -> str:
    """Return the results as Markdown."""
    lines = []
    for scenario in SCENARIOS:
        floors = " and ".join(f"{100 * erlang_b(*offered(scenario, size)):.2f} %" for size in SIZES)
        lines += [
            f"## {scenario.name[0].upper()}{scenario.name[1:]}",
            "",
            f"Erlang B refuses {floors}." if not scenario.burst else "Erlang B knows no bursts.",
            "",
            "| | beyond the limit at worst | refused | variation | flaps |",
            "|---|---|---|---|---|",
        ]
        for policy in POLICIES:
            cells = zip(*(results[scenario.name, policy.name, size] for size in SIZES))
            wordings = ("{:.0f} %", "{:.2f} %", "{:.3f}", "{:.0f}")
            lines.append(
                f"| {policy.name} | " + " | ".join(" / ".join(wording.format(value) for value in cell) for wording, cell in zip(wordings, cells)) + " |"
            )
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="less than a minute, one seed")
    parser.add_argument("--json", metavar="PATH", help="write the figures there")
    parser.add_argument("--table", metavar="PATH", help="write the tables there, into the page between its marks")
    options = parser.parse_args()
    warm, seconds = (200, 200) if options.quick else (600, 900)
    cases = [
        (scenario, policy, size, warm, seconds, 1 if options.quick else seeds) for scenario in SCENARIOS for policy in POLICIES for size, seeds in SIZES.items()
    ]
    with ProcessPoolExecutor() as workers:
        results = {(case[0].name, case[1].name, case[2]): result for case, result in zip(cases, workers.map(simulate, cases))}
    text = table(results)
    print(text)
    if options.json:
        rows = [{"scenario": scenario, "policy": policy, "nodes": size, **result._asdict()} for (scenario, policy, size), result in results.items()]
        Path(options.json).write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    if options.table:
        page = Path(options.table)
        head, begin, rest = page.read_text(encoding="utf-8").partition(MARKS[0])
        page.write_text(f"{head}{begin}{text}{MARKS[1]}{rest.partition(MARKS[1])[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
