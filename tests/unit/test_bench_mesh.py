"""The pure parts of `make bench-mesh`: fortio's words, the end of the warm-up, table, picture."""

import itertools
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree

import pytest

import settings
from bench import growth
from bench.mesh import deployed, figures, job, load, processes, usage
from bench.mesh.__main__ import main
from bench.mesh.figures import Row
from bench.mesh.job import Stack
from bench.mesh.load import Result, Route
from bench.mesh.usage import Usages
from kube.connection import Answer, Connection
from local.errors import LocalError
from mesh.routers import Routing
from mesh.workload import Memory
from tests.unit.test_settings import defaults

SAID: dict[str, Any] = {
    "ActualQPS": 1234.5,
    "RetCodes": {"200": 40},
    "DurationHistogram": {
        "Count": 40,
        "Percentiles": [
            {"Percentile": 50, "Value": 0.001},
            {"Percentile": 95, "Value": 0.0025},
            {"Percentile": 99, "Value": 0.004},
        ],
    },
}
RESULT = Result(requests=40, rate=1234.5, p50=1, p95=2.5, p99=4)


def test_latencies_are_milliseconds() -> None:
    assert load.parse(json.dumps(SAID)) == RESULT


def test_lines_of_fortios_log_are_passed_over() -> None:
    text = json.dumps(SAID, indent=1)
    line = json.dumps({"level": "warn", "msg": "slow"})
    assert load.parse(f"{line}\nplain\n{text}\n{line}\n") == RESULT


@pytest.mark.parametrize(
    ("codes", "count", "said"),
    [
        ({"200": 39, "502": 1}, 40, "39 × 200, 1 × 502 instead of 200 alone"),
        ({}, 0, "no request"),
    ],
)
def test_a_load_with_failures_has_no_figures(codes: dict[str, int], count: int, said: str) -> None:
    histogram = {**SAID["DurationHistogram"], "Count": count}
    with pytest.raises(LocalError, match=said):
        load.parse(json.dumps({**SAID, "RetCodes": codes, "DurationHistogram": histogram}))


@pytest.mark.parametrize("text", ["", "connection refused", '{"ActualQPS": 1}', "{"])
def test_what_is_no_result_is_told(text: str) -> None:
    with pytest.raises(LocalError, match="fortio gave no result"):
        load.parse(text)


def test_the_number_of_connections_is_fixed_and_headers_are_sent() -> None:
    given = load.arguments(Route("http://x/", {"Host": "world"}), 2.5)
    assert given[0] == "load"
    assert {"-c=8", "-qps=0", "-t=2.5s"} <= set(given)
    assert given[given.index("-H") + 1] == "Host: world"
    assert given[-1] == "http://x/"


@pytest.mark.parametrize(
    ("seen", "over"),
    [
        ([], False),
        ([100, 100], False),
        ([100, 100, 100], True),
        ([100, 96, 99], True),
        ([100, 91, 99], False),
        ([10, 50, 85, 100, 98], False),
        ([10, 50, 97, 100, 98], True),
    ],
)
def test_the_warm_up_is_over_when_three_stretches_are_alike(seen: list[float], over: bool) -> None:
    assert load.steady(seen) is over


def test_the_warm_up_ends_in_any_case() -> None:
    falling = (2.0**-number for number in range(1000))
    assert load.warm_up(lambda: next(falling)) == (load.MOST_WINDOWS, False)
    costs = iter([5.0, 2.0, 1.0, 1.0, 1.0, 0.0])
    assert load.warm_up(lambda: next(costs)) == (5, True)


DIRECT = Row("direct", 12345.6, 0.5, 1, 14.25, None, None, 6, warm=True)
TLS = Row("a <b>", 960, 6.3, 20, 50, 0.7126, 301.6, 60, warm=False)


def test_the_table_says_what_is_not_known_and_what_was_not_steady() -> None:
    heading, rule, *lines = figures.table([DIRECT, TLS]).splitlines()
    assert heading.startswith("| path   | requests/s |")
    assert len({len(line) for line in (heading, rule, *lines)}) == 1
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells == [
        ["direct", "12,346", "0.50", "1.00", "14.25", "–", "–", "6 s"],
        ["a <b>", "960", "6.30", "20.00", "50.00", "0.713", "302", "60 s, not steady"],
    ]


def test_the_picture_is_svg_with_its_words_as_text() -> None:
    picture = ElementTree.fromstring(figures.svg([DIRECT, TLS], "the stand-ins"))
    words = {each.text for each in picture.iter("{http://www.w3.org/2000/svg}text")}
    assert {"direct", "a <b>", "Measured: the stand-ins", "12,346", "0.713", "none"} <= words
    bars = [
        float(each.get("width", 0)) for each in picture.iter("{http://www.w3.org/2000/svg}rect")
    ]
    assert len(bars) == 1 + 5
    assert bars[1] / bars[2] == pytest.approx(DIRECT.rate / TLS.rate, rel=0.02)


# On loopback


def test_what_is_measured_has_the_defaults_of_the_config() -> None:
    config = settings.parse(defaults())
    assert Memory(config.linkerd_heap_mb, config.linkerd_memory_mb) == deployed.MEMORY
    routing = Routing("linkerd")
    assert routing.total_timeout_ms == config.total_timeout_ms
    assert routing.max_connections == config.max_connections


def test_a_process_has_the_environment_and_arguments_of_its_container() -> None:
    container = deployed.linkerd_container()
    found = deployed.environment(container, "198.18.1.10", Path("/own"))
    assert found.keys() == {each["name"] for each in container["env"]}
    given = {each["name"]: each["value"] for each in container["env"] if "value" in each}
    assert {**given, **found} == {
        **given,
        "GC_LOG": "/own/log",
        "POD_IP": "198.18.1.10",
        "NODE_NAME": "198.18.1",
    }
    arguments = deployed.arguments(container, Path("/own/config.json"))
    assert arguments == [*container["args"][:-1], "/own/config.json"]


def test_a_process_that_has_ended_and_was_not_reaped_uses_no_memory() -> None:
    """As a child of a start script may be at any moment."""
    with subprocess.Popen(["true"], start_new_session=True) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        assert processes.resident_mib([ended.pid]) == 0
    assert processes.resident_mib([os.getsid(0)]) > 1


# On a cluster


def stack(image: str = "fortio/fortio:1") -> Stack:
    nowhere = cast("Connection", None)
    return Stack(nowhere, image, "mesh", "apps", "world-v1", "world")


def test_the_paths_are_those_that_the_stack_has() -> None:
    mesh = {"l5d-node": {"outgoing": 4140}, "l5d-external": {"": 80}, "l5d": {"outgoing": 1}}
    found = job.routes(mesh, {"world-v1": {"http": 7778}}, stack())
    assert found == {
        "direct": Route("http://world-v1.apps:7778/"),
        "by the node's linkerd": Route("http://l5d-node.mesh:4140/", {"Host": "world"}),
        "from outside": Route("http://l5d-external.mesh:80/"),
    }
    assert job.routes({"namerd": {"thrift": 4100}}, {"other": {"http": 1}}, stack()) == {}


def test_the_job_meets_pod_security_restricted_and_ends() -> None:
    made = job.manifest("bench", stack(), Route("http://x/"), 10)
    assert made["spec"]["backoffLimit"] == 0
    assert made["spec"]["activeDeadlineSeconds"] > 10 + job.STRETCHES * load.WINDOW
    pod = made["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    containers = [*pod["initContainers"], *pod["containers"]]
    assert len(containers) == job.STRETCHES + 1
    for each in containers:
        assert each["image"] == "fortio/fortio:1"
        assert each["securityContext"]["allowPrivilegeEscalation"] is False
        assert each["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_a_pod_that_waits_is_there_to_be_asked_until_the_command_gives_up() -> None:
    """A Job past its deadline has none, and then nobody could say why it did not start."""
    made = job.manifest("bench", stack(), Route("http://x/"), 10)
    assert made["spec"]["activeDeadlineSeconds"] > job._longest(10) + 10


def test_cpu_between_two_samples_is_proportional() -> None:
    samples = [(0.0, 1.0), (10.0, 2.0), (20.0, 6.0)]
    assert usage.used_by(samples, 5) == 1.5
    assert usage.used_by(samples, 15) == 4
    assert usage.used_by(samples, 20) == 6
    assert usage.used_by(samples, 21) is None
    assert usage.used_by([], 1) is None


class Kubelet:
    """Answers for a node as its kubelet would: later, and with more CPU, each time.

    `busy` answers of the API server's come first.
    """

    def __init__(self, status: int = 200, busy: int = 0) -> None:
        self._statuses = itertools.chain(itertools.repeat(503, busy), itertools.repeat(status))
        self._seconds: Iterator[int] = iter(range(0, 60, 10))

    def send(self, _method: str, _path: str) -> Answer:
        second = next(self._seconds)
        cpu = {"time": f"1970-01-01T00:00:{second:02}Z", "usageCoreNanoSeconds": second * 10**8}
        memory = {"workingSetBytes": 64 * 2**20}
        linkerd = {"name": "l5d", "cpu": cpu, "memory": memory}
        pod = {
            "podRef": {"namespace": "mesh", "name": "l5d-x"},
            "containers": [linkerd, {"name": "kubectl", "cpu": cpu}],
        }
        return Answer(next(self._statuses), {}, json.dumps({"pods": [pod]}).encode())


def usages(kubelet: Kubelet) -> Usages:
    return Usages(cast("Connection", kubelet), {("mesh", "l5d-x"): "node-1"}, "l5d")


def test_what_the_linkerds_used_is_read_off_their_nodes() -> None:
    found = usages(Kubelet())
    found.sample()
    found.sample_until(30)
    assert found.cpu_seconds(5, 25) == pytest.approx(2)
    assert found.resident_mib() == 64


def test_a_kubelet_that_is_too_busy_once_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.mesh.usage.time.sleep", lambda _: None)
    found = usages(Kubelet(busy=1))
    found.sample_until(30)
    assert found.cpu_seconds(15, 25) == pytest.approx(1)


def test_without_the_right_to_ask_nodes_nothing_is_made_up() -> None:
    found = usages(Kubelet(403))
    found.sample_until(30)
    assert not found.readable
    assert found.cpu_seconds(5, 25) is None
    assert found.resident_mib() is None


@pytest.mark.parametrize("seconds", ["0", "ten", "601"])
def test_a_length_out_of_bounds_is_refused(
    seconds: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--seconds", seconds])
    assert ended.value.code == 2
    assert "--seconds" in capsys.readouterr().err.splitlines()[-1]


def test_programs_that_are_not_there_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["loopback", "--programs", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"error: there is no program linkerd in {tmp_path}\n"


def test_a_picture_that_cannot_be_drawn_is_refused_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    for picture, said in (
        (tmp_path, f"--picture {tmp_path} is a folder: give a file in it"),
        (tmp_path / "file" / "x.svg", "its folder cannot be made"),
    ):
        assert main(["loopback", "--picture", str(picture)]) == 1
        assert said in capsys.readouterr().err


# Growth


def test_growth_is_what_one_more_service_costs() -> None:
    straight = {count: 3.0 + 0.5 * count for count in growth.COUNTS}
    assert growth.more(straight, *growth.COUNTS[:2]) == growth.more(straight, *growth.COUNTS[-2:])
    squared = {count: float(count**2) for count in growth.COUNTS}
    *_, linear, square = growth.lines({"a, s": straight, "b, s": squared})
    assert linear.endswith("ok)")
    assert square.endswith("OVER)")


def test_growth_that_noise_has_hidden_is_not_told_to_be_small() -> None:
    """The first count took longer than the second one: a negative ratio was "ok"."""
    *_, line = growth.lines({"a, s": {1: 20.2, 50: 16.7, 100: 8.8, 200: 20.4}})
    assert line.endswith("OVER)")


def test_an_object_that_grows_with_the_services_is_over_the_api_servers_limit() -> None:
    def verdict(kilobytes: float) -> str:
        figures = {growth.OBJECT: {count: kilobytes * count for count in growth.COUNTS}}
        *_, line = growth.lines(figures)
        return line

    assert verdict(0.1).endswith("ok)")
    assert verdict(5.25).endswith("OVER)")


def test_the_largest_object_is_one_of_kubernetes() -> None:
    def resource(kind: str, size: int) -> dict[str, Any]:
        return {"type": kind, "inputs": {"data": "x" * size}}

    pod, secret = "kubernetes:core/v1:Pod", "kubernetes:core/v1:Secret"
    found = [resource(pod, 10), resource(secret, 300), resource("pulumi-python:dynamic/x", 900)]
    assert growth.largest([*found, {"type": "kubernetes:core/v1:Namespace"}]) == 312
