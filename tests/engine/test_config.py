"""The stack's config through the real engine: forms of a weight, and what a wrong value says."""

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from settings import readers
from tests.harness.apiserver import ApiServer
from tests.harness.engine import Engine, EngineFailedError, own_project, stack
from tests.unit.test_program import KUBECONFIG

AGREEABLE = [sys.executable, "-u", "-m", "tests.harness.agreeable"]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """This project's own program, which a preview asks no cluster for."""
    with stack(tmp_path_factory.mktemp("config"), {"kubernetes": AGREEABLE}, own_project) as found:
        yield found


@pytest.mark.long
@pytest.mark.parametrize("weight", [0.5, "0.50"])
def test_a_weight_in_the_stacks_settings_may_be_a_number_or_a_text(
    engine: Engine, weight: object
) -> None:
    engine.configure(kubeconfig=KUBECONFIG, canaryWeight=weight, maxWeightStep=12.5)
    shown = engine.preview().text
    assert "/srv/world-v1: 99.5\n" in shown
    assert "/srv/world-v2: 0.5\n" in shown
    assert "max_weight_step: 12.5\n" in shown


@pytest.mark.long
def test_weights_set_on_the_command_line(engine: Engine) -> None:
    services = {"hello": {"port": 80, "versions": {"v1": {}, "v2": {}}}}
    engine.configure(kubeconfig=KUBECONFIG, services=services)
    engine.set("canaryWeight", "33.33")
    shown = engine.preview().text
    assert "/srv/hello-v1: 66.67\n" in shown
    assert "/srv/hello-v2: 33.33\n" in shown
    engine.set("canaryWeight", "0")
    engine.set("services.hello.weights.v1", "99.75", "--path")
    engine.set("services.hello.weights.v2", "0.25", "--path")
    shown = engine.preview().text
    assert "/srv/hello-v1: 99.75\n" in shown
    assert "/srv/hello-v2: 0.25\n" in shown


@pytest.mark.long
def test_what_a_canary_is_judged_by_changes_no_resource(engine: Engine) -> None:
    engine.configure(kubeconfig=KUBECONFIG)
    shown = engine.preview().text
    engine.configure(kubeconfig=KUBECONFIG, canaryAnalysis={"steps": [0.5, 100]})
    engine.set("canaryAnalysis.minSuccessRate", "99.5", "--path")
    engine.set("canaryAnalysis.interval", "2m", "--path")
    assert lines(engine.preview().text) == lines(shown)


def lines(shown: str) -> list[str]:
    """What a preview shows, in whatever order the resources came."""
    return sorted(shown.splitlines())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("canaryWeight", "0.555"),
        ("canaryWeight", True),
        ("sourceRanges", ["all"]),
        ("services", {"world": {"replicas": 5}}),
        ("kubeContext", "elsewhere"),
        ("appsNamespace", "linkerd"),
        ("canaryAnalysis", {"interval": "5s"}),
        ("canaryAnalysis", {"steps": [1, 0.5]}),
    ],
)
def test_a_wrong_value_is_one_line_and_nothing_else(
    engine: Engine, key: str, value: object
) -> None:
    engine.configure(kubeconfig=KUBECONFIG, **{key: value})
    for command in (engine.preview, engine.up):
        with pytest.raises(EngineFailedError) as failed:
            command()
        said = str(failed.value)
        assert "unhandled" not in said
        assert "Traceback" not in said
        assert len([line for line in failed.value.lines if line != "preview failed"]) == 1
        assert "+ kubernetes" not in said


@pytest.mark.parametrize("name", ["a", "a" * 63, "a-1", "1a", "a" * 64, "A", "a-", "a.b", "a_b"])
def test_services_are_named_as_the_api_server_has_it(api_server: ApiServer, name: str) -> None:
    spec = {"clusterIP": "None", "ports": [{"name": "http", "port": 80}]}
    assert is_taken(api_server, "v1", "Service", name, spec) is is_read(readers.service_name, name)


@pytest.mark.parametrize(
    "text", ["203.0.113.7", "2001:DB8::/32", "10.0.0.0/255.0.0.0", "0.0.0.0/0"]
)
def test_the_api_server_takes_ranges_as_they_are_read(api_server: ApiServer, text: str) -> None:
    ranges = list(readers.cidrs(json.dumps([text])))
    spec = {
        "type": "LoadBalancer",
        "ports": [{"port": 80}],
        "loadBalancerSourceRanges": ranges,
    }
    assert is_taken(api_server, "v1", "Service", "ranges", spec)


def is_read(reader: Callable[[str], object], text: str) -> bool:
    try:
        reader(text)
    except ValueError:
        return False
    return True


def is_taken(
    api_server: ApiServer, version: str, kind: str, name: str, spec: dict[str, Any]
) -> bool:
    made = {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}
    try:
        api_server.kubectl("create", "--dry-run=server", "-f", "-", given=json.dumps(made))
    except RuntimeError as error:
        if " is invalid: " not in str(error):
            raise
        return False
    return True


def test_secrets_are_encrypted_wherever_their_values_go(engine: Engine) -> None:
    config: dict[str, Any] = {
        "kubeconfig": KUBECONFIG,
        "services": {"hello": {"port": 80, "image": "example.com/web:1"}},
    }
    engine.configure(**config)
    engine.set_secret("services.hello.env.KEY", "s3cret-1")
    engine.set_secret("services.hello.args[0]", "s3cret-2")
    engine.set_secret("services.hello.image", "example.com/s3cret-3:1")
    engine.set_secret("sourceRanges[0]", "203.0.113.77")
    shown = engine.preview().text
    assert "s3cret" not in shown
    assert "203.0.113.77" not in shown
    engine.set_secret("canaryWeight", "0")
    with pytest.raises(EngineFailedError) as failed:
        engine.preview()
    assert "config canaryWeight is set with --secret" in "".join(failed.value.lines)
    assert json.dumps(failed.value.lines).count("s3cret") == 0
