# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured, against made-up counters and kernel files."""

from __future__ import annotations

import collections
import types

import pytest
from ansible_collections.webcallserver.balancer.roles.wcs_node.files import wcs_agent as agent

HEAD4 = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"


def route4(interface, destination="00000000", metric=0, mask="00000000", flags="0003"):
    return f"{interface}\t{destination}\t010200C0\t{flags}\t0\t0\t{metric}\t{mask}\t0\t0\t0\n"


def route6(interface, destination="0" * 32, prefix="00", metric="00000400", flags="00000003"):
    return f"{destination} {prefix} {'0' * 32} 00 fd{'0' * 29}1 {metric} 00000002 00000000 {flags}     {interface}\n"


@pytest.mark.parametrize(
    ("routes", "routes6", "interface"),
    [
        ("", "", ""),
        (HEAD4, "", ""),
        (HEAD4 + route4("eth0"), "", "eth0"),
        (HEAD4 + route4("docker0", "0000580A", mask="0000FFFF") + route4("ens3"), "", "ens3"),
        (HEAD4 + route4("wlan0", metric=600) + route4("eth0", metric=100), "", "eth0"),
        (HEAD4 + route4("tun0", mask="00000080") + route4("eth0"), "", "eth0"),
        (HEAD4 + route4("eth9", flags="0002") + route4("eth0", metric=9), "", "eth0"),
        (HEAD4, route6("eth1"), "eth1"),
        (HEAD4, route6("lo", metric="ffffffff", flags="00200201") + route6("eth1"), "eth1"),
        (HEAD4, route6("eth2", metric="00000800") + route6("eth1") + route6("eth0", destination="fd" + "0" * 30, prefix="40"), "eth1"),
        (HEAD4 + route4("eth0"), route6("eth1"), "eth0"),
    ],
)
def test_the_interface_is_that_of_the_default_route(routes, routes6, interface):
    assert agent.default_interface(routes, routes6) == interface


@pytest.mark.parametrize(("ranges", "cpus"), [("0-3\n", 4), ("0", 1), ("0-1,4,6-7\n", 5), ("", 0), ("\n", 0)])
def test_count_cpus(ranges, cpus):
    assert agent.count_cpus(ranges) == cpus


V1, V2, UNIT = "/sys/fs/cgroup/cpu", "/sys/fs/cgroup", "/system.slice/webcallserver.service"


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({}, None),
        ({V2 + UNIT + "/cpu.max": "max 100000\n"}, None),
        ({V2 + UNIT + "/cpu.max": "800000 100000\n"}, None),
        ({V2 + UNIT + "/cpu.max": "150000 100000\n"}, (UNIT, 1.5, V2 + UNIT + "/cpu.stat", 1e-6)),
        ({V2 + UNIT + "/cpu.max": "max 100000\n", V2 + UNIT + "/cpuset.cpus.effective": "0-1\n"}, (UNIT, 2.0, V2 + UNIT + "/cpu.stat", 1e-6)),
        ({V1 + UNIT + "/cpu.cfs_quota_us": "-1\n", V1 + UNIT + "/cpu.cfs_period_us": "100000\n"}, None),
        (
            {V1 + UNIT + "/cpu.cfs_quota_us": "200000\n", V1 + UNIT + "/cpu.cfs_period_us": "100000\n"},
            (UNIT, 2.0, "/sys/fs/cgroup/cpuacct" + UNIT + "/cpuacct.usage", 1e-9),
        ),
    ],
)
def test_cpu_limit(monkeypatch, files, limit):
    monkeypatch.setattr(agent, "_read", lambda path: files.get(path, ""))
    assert agent.cpu_limit(UNIT, 8) == limit


Times = collections.namedtuple("Times", "user nice system idle iowait irq softirq steal guest guest_nice")
Traffic = collections.namedtuple("Traffic", "bytes_sent bytes_recv")


class Psutil:
    """What psutil says of a machine of ours."""

    def __init__(self):
        self.times, self.traffic, self.load, self.percent = Times(*[0] * 10), {}, 0.0, 50.0

    def cpu_count(self):
        return 4

    def cpu_times(self):
        return self.times

    def net_io_counters(self, pernic, nowrap):
        assert (pernic, nowrap) == (True, False)
        return self.traffic

    def getloadavg(self):
        return self.load, 0.0, 0.0

    def virtual_memory(self):
        return types.SimpleNamespace(percent=self.percent)


class Machine:
    """A machine whose clock, counters and files are ours."""

    def __init__(self, monkeypatch, **settings):
        self.now, self.page = 1000.0, "-----Stream Stats-----\nstreams_hls=1\n-----Port Stats-----\nports_media_free=400"
        self.files, self.psutil = {"/proc/net/route": HEAD4 + route4("eth0")}, Psutil()
        self.websocket, self.tried = "", 0
        self.cpu(0, 0)
        self.traffic(0, 0)
        monkeypatch.setattr(agent, "load_psutil", lambda: self.psutil)
        monkeypatch.setattr(agent, "_read", lambda path: self.files.get(path, ""))
        monkeypatch.setattr(agent, "fetch", self._fetch)
        monkeypatch.setattr(agent, "Handshake", self._handshake)
        monkeypatch.setattr(agent.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(agent, "SMOOTHING_SECONDS", 1e-9)
        self.meter = agent.Meter(agent.make_settings(settings))
        self.meter.prime()

    def _fetch(self, *_arguments):
        if isinstance(self.page, Exception):
            raise self.page
        return agent.Page(self.page.encode())

    def _handshake(self, *_arguments):
        self.tried += 1
        return types.SimpleNamespace(outcome=lambda: self.websocket)

    def cpu(self, busy, idle):
        self.psutil.times = Times(busy, 0, 0, idle, *[0] * 6)

    def traffic(self, received, sent):
        self.psutil.traffic = {name: Traffic(sent, received) for name in ("eth0", "br0", "veth1")}

    def after(self, seconds):
        self.now += seconds
        return self.meter.read()


def test_rates(monkeypatch):
    machine = Machine(monkeypatch)
    machine.cpu(30, 70)
    machine.traffic(2_500_000, 5_000_000)
    values = machine.after(2).values
    assert values["cpu"] == pytest.approx(30)
    assert (values["band-in"], values["band-out"]) == (pytest.approx(10), pytest.approx(20))  # of one interface, though three counted the same bytes


def test_a_counter_that_began_anew_gives_no_rate(monkeypatch):
    machine = Machine(monkeypatch)
    machine.traffic(1000, 1000)
    machine.after(1)
    machine.traffic(10, 2000)
    values = machine.after(1).values
    assert values["band-in"] is None
    assert values["band-out"] == pytest.approx(0.008)


def test_cpu_is_that_of_the_control_group_when_it_is_limited(monkeypatch):
    machine = Machine(monkeypatch)
    machine.files[V2 + UNIT + "/cpu.max"] = "100000 100000"
    machine.files[V2 + UNIT + "/cpu.stat"] = "usage_usec 1000000\nuser_usec 1"
    machine.meter._looked_up = None
    machine.meter.prime()
    machine.cpu(25, 75)
    machine.files[V2 + UNIT + "/cpu.stat"] = "usage_usec 1950000\nuser_usec 1"
    assert machine.after(1).values["cpu"] == pytest.approx(95)  # 95 % of its one CPU, 25 % of the machine
    machine.cpu(125, 75)
    machine.files[V2 + UNIT + "/cpu.stat"] = "usage_usec 1960000\nuser_usec 1"
    assert machine.after(1).values["cpu"] == pytest.approx(100)  # others have taken the whole machine


def test_load_average(monkeypatch):
    machine = Machine(monkeypatch, cpu="load")
    machine.psutil.load = 5.0
    assert machine.after(1).values["cpu"] == pytest.approx(125)


def test_smoothing(monkeypatch):
    machine = Machine(monkeypatch)
    monkeypatch.setattr(agent, "SMOOTHING_SECONDS", 5.0)
    seen = []
    for second in range(1, 16):
        machine.cpu(100 * second, 0)
        seen.append(machine.after(1).values["cpu"])
    assert seen == sorted(seen)
    assert seen[0] == pytest.approx(18.1, abs=0.1)
    assert seen[4] == pytest.approx(63.2, abs=0.1)  # one time constant
    assert seen[14] == pytest.approx(95.0, abs=0.1)  # three


def test_the_first_measurement_starts_from_the_load_average(monkeypatch):
    machine = Machine(monkeypatch)
    monkeypatch.setattr(agent, "SMOOTHING_SECONDS", 5.0)
    machine.psutil.load = 2.0
    machine.meter.prime()
    machine.cpu(100, 0)
    assert machine.after(0.2).values["cpu"] == pytest.approx(52, abs=0.1)  # not 100, which a fifth of a second would say


@pytest.mark.parametrize(
    ("page", "values", "problems"),
    [
        ("streams_hls=1\ntraffic_in=800\ntraffic_out=1600", {"band-in": 0.8, "band-out": 1.6}, []),
        (
            "streams_hls=1\ntraffic_in=800",
            {"band-in": 0.8, "band-out": 16.0},
            ["the statistics page has no number traffic_out, so band-out is that of the interface eth0"],
        ),
        (
            "streams_hls=1\ntraffic_in=-1\ntraffic_out=much",
            {"band-in": 8.0, "band-out": 16.0},
            [
                "the statistics page has no number traffic_in, so band-in is that of the interface eth0",
                "the statistics page has no number traffic_out, so band-out is that of the interface eth0",
            ],
        ),
        (agent.StatisticsError("timed out"), {"band-in": None, "band-out": None}, []),
    ],
)
def test_bandwidth_that_wcs_reports(monkeypatch, page, values, problems):
    machine = Machine(monkeypatch, limits={"band-in": 1, "band-out": 1}, bandwidth={"in": "traffic_in", "out": "traffic_out", "mbps": 0.001})
    machine.traffic(1_000_000, 2_000_000)
    machine.page = page
    read = machine.after(1).values
    assert {name: read[name] for name in values} == {name: value if value is None else pytest.approx(value) for name, value in values.items()}
    assert machine.meter.problems == problems


def test_what_cannot_be_measured_is_a_problem_and_never_nought(monkeypatch):
    machine = Machine(monkeypatch, interface="eth7")
    machine.page = "streams_hls=1"
    machine.cpu(1, 1)
    machine.after(1)
    reading = machine.after(1)
    assert [name for name, value in reading.values.items() if value is None] == [
        "cpu",
        "band-in",
        "band-out",
        "publishers",
        "subscribers",
        "media-ports-free",
        "media-ports",
    ]
    assert machine.meter.problems == [
        f"{name} is not known, so its limit is not watched" for name in ("cpu", "publishers", "subscribers", "band-in", "band-out", "media-ports-free")
    ]


def test_an_unreadable_page_is_an_error_and_not_many_problems(monkeypatch):
    machine = Machine(monkeypatch)
    machine.page = agent.StatisticsError("timed out")
    reading = machine.after(1)
    assert reading.error == "timed out"
    assert machine.meter.problems == []
    assert machine.meter.statistics() == {}


def test_the_real_machine_can_be_measured():
    meter = agent.Meter(agent.make_settings({"statistics": {"port": 1, "timeout": 0.05}}))
    meter.prime()
    agent.time.sleep(0.05)
    values = meter.read().values
    assert values["cpu"] is None or 0 <= values["cpu"] <= 100


def test_guest_time_counts_once_and_stolen_time_is_not_ours(monkeypatch):
    machine = Machine(monkeypatch)
    machine.psutil.times = Times(user=10, nice=1, system=5, idle=80, iowait=4, irq=0, softirq=2, steal=3, guest=7, guest_nice=0)
    assert machine.after(1).values["cpu"] == pytest.approx(100 * 21 / 105)


def test_memory_is_measured_where_it_has_a_limit(monkeypatch):
    assert "memory" not in Machine(monkeypatch).after(1).values
    assert Machine(monkeypatch, limits={"memory": 90}).after(1).values["memory"] == 50.0


@pytest.mark.parametrize("question", ["cpu_count", "cpu_times", "net_io_counters", "getloadavg", "virtual_memory"])
@pytest.mark.parametrize("error", [FileNotFoundError("/proc/stat"), PermissionError(), RuntimeError(), NotImplementedError(), AttributeError(), ValueError()])
def test_whatever_psutil_meets_the_rest_is_known(monkeypatch, question, error):
    def fails(**_how):
        raise error

    machine = Machine(monkeypatch, limits={"cpu": 90, "memory": 90, "band-in": 100, "hls": 100})
    setattr(machine.psutil, question, fails)
    machine.meter._looked_up = None
    machine.cpu(1, 1)
    machine.after(1)
    machine.cpu(2, 2)
    values = machine.after(1).values
    unknown = {"cpu_times": {"cpu"}, "net_io_counters": {"band-in"}, "virtual_memory": {"memory"}}.get(question, set())
    assert {name for name in ("cpu", "memory", "band-in", "hls") if values[name] is None} == unknown
    assert machine.meter.problems == [f"{name} is not known, so its limit is not watched" for name in ("cpu", "memory", "band-in") if name in unknown]


@pytest.mark.parametrize(
    ("outcomes", "tried", "silent"),
    [
        (["", "", "", "", "", "", ""], 3, [0] * 7),
        (["", "", "", "timed out", "timed out", "timed out", ""], 5, [0, 0, 0, 1, 2, 3, 0]),
        (["timed out", "", "", "", "", ""], 3, [2, 0, 0, 0, 0, 0]),
        (["", "", "", "timed out", "", "timed out", "timed out"], 3, [0, 0, 0, 1, 0, 0, 0]),
    ],
)
def test_a_websocket_is_tried_now_and_then_and_again_at_once_when_it_failed(monkeypatch, outcomes, tried, silent):
    machine, verdict, seen = Machine(monkeypatch, websocket={"port": 8080}), None, []
    for outcome in outcomes:
        machine.websocket = outcome
        verdict = agent.decide(machine.meter.settings.limits, machine.after(1), verdict)
        seen.append(verdict.silent)
        assert (verdict.state, verdict.reasons, verdict.serves) == (("down", ("ws timed out",), False) if verdict.silent >= 2 else ("up", (), True))
    assert (seen, machine.tried) == (silent, tried)


def test_no_websocket_is_tried_where_none_is_wanted(monkeypatch):
    machine = Machine(monkeypatch)
    machine.websocket = "timed out"
    assert [machine.after(1).websocket for _second in range(5)] == [""] * 5
    assert machine.tried == 0


def test_a_long_kernel_file_is_read_whole(tmp_path):
    (tmp_path / "routes").write_text("x" * 200_000)
    assert len(agent._read(str(tmp_path / "routes"))) == 200_000
    assert len(agent._read("/proc/self/maps")) > 0
    assert agent._read(str(tmp_path / "absent")) == agent._read(str(tmp_path)) == ""
