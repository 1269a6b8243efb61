"""Programs of Kubernetes objects through the real engine and Pulumi's own kubernetes plugin."""

import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.apiserver import ApiServer
from tests.harness.engine import Engine, EngineFailedError, kubernetes_plugin, stack
from tests.harness.processes import free_port

PROGRAMS = Path(__file__).parent / "programs"
PASSWORD = "a-very-secret-password"
DELETE_UNREACHABLE = 'PULUMI_K8S_DELETE_UNREACHABLE environment variable set to "true"'
IN_BASE64 = "YS12ZXJ5LXNlY3JldC1wYXNzd29yZA"


@pytest.fixture
def engine(tmp_path: Path, api_server: ApiServer) -> Iterator[Engine]:
    plugins = {"kubernetes": kubernetes_plugin()}
    with stack(tmp_path, plugins, KUBECONFIG=str(api_server.kubeconfig)) as engine:
        yield engine


@pytest.fixture
def shop(engine: Engine, api_server: ApiServer) -> str:
    """Take the program shop.py; the namespace that it makes."""
    namespace = f"shop-{uuid.uuid4().hex[:8]}"
    engine.run(
        PROGRAMS / "shop.py",
        NAMESPACE=namespace,
        PASSWORD=PASSWORD,
        KUBECONFIG_CONTENT=api_server.kubeconfig.read_text(),
    )
    return namespace


@pytest.fixture
def nowhere(api_server: ApiServer) -> str:
    """A kubeconfig of an API server that is not there."""
    return api_server.kubeconfig.read_text().replace(
        api_server.url, f"https://127.0.0.1:{free_port()}"
    )


def test_a_whole_life(engine: Engine, api_server: ApiServer, shop: str) -> None:
    assert engine.preview().steps == {"create": 8}
    assert engine.up().steps == {"create": 8}
    assert engine.outputs() == {
        "address": api_server.get("service", "web", shop)["spec"]["clusterIP"],
        "robot": api_server.get("deployment", "web", shop)["spec"]["template"]["spec"][
            "serviceAccountName"
        ],
    }

    before = len(api_server.requests())
    assert engine.up("--expect-no-changes").steps == {"unchanged": 8}
    asked = {request.path.partition("?")[0] for request in api_server.requests()[before:]}
    assert asked <= {"/version", "/openapi/v2"}, "no object is asked for"

    engine.set_environment(WEIGHT="10")
    planned = engine.preview()
    assert planned.steps == {"update": 1, "unchanged": 7}
    assert '~ weight: "0" => "10"' in planned.text
    assert [r for r in api_server.requests()[before:] if r.writes] == []
    engine.up()
    assert api_server.get("configmap", "web", shop)["data"] == {"weight": "10"}

    engine.destroy()
    with pytest.raises(RuntimeError, match="NotFound"):
        api_server.get("namespace", shop)


def test_drift_shows_after_a_refresh_and_is_put_right(
    engine: Engine, api_server: ApiServer, shop: str
) -> None:
    engine.up()
    taken = ("-p", '{"data":{"weight":null}}')
    api_server.kubectl("patch", "configmap", "web", "-n", shop, *taken)
    api_server.kubectl("delete", "service", "web", "-n", shop)

    assert engine.preview().steps == {"unchanged": 8}
    seen = engine.preview("--refresh")
    assert '+ weight: "0"' in seen.text
    engine.refresh()
    assert engine.up().steps == {"create": 1, "update": 1, "unchanged": 6}
    assert api_server.get("configmap", "web", shop)["data"] == {"weight": "0"}
    engine.preview("--refresh", "--expect-no-changes")


def test_what_someone_else_changed_is_taken_back_by_force_alone(
    engine: Engine, api_server: ApiServer, shop: str
) -> None:
    engine.up()
    changed = ("-p", '{"data":{"weight":"99"}}', "--field-manager=someone")
    api_server.kubectl("patch", "configmap", "web", "-n", shop, *changed)
    engine.refresh()

    with pytest.raises(EngineFailedError) as refused:
        engine.preview()
    assert '~ weight: "99" => "0"' in str(refused.value)
    assert 'conflict with "someone" using v1: .data.weight' in str(refused.value)

    engine.set_environment(PULUMI_K8S_ENABLE_PATCH_FORCE="true")
    engine.up()
    assert api_server.get("configmap", "web", shop)["data"] == {"weight": "0"}


def test_a_new_selector_replaces_the_deployment(
    engine: Engine, api_server: ApiServer, shop: str
) -> None:
    engine.up()
    before = api_server.get("deployment", "web", shop)["metadata"]["uid"]

    engine.set_environment(IMAGE="example.com/web:2")
    assert engine.preview().steps == {"replace": 1, "unchanged": 7}
    engine.up()

    after = api_server.get("deployment", "web", shop)
    assert after["metadata"]["uid"] != before
    assert after["spec"]["selector"]["matchLabels"]["version"] == "2"


def test_no_secret_is_in_the_state_or_on_the_screen(
    engine: Engine, api_server: ApiServer, shop: str, tmp_path: Path
) -> None:
    shown = engine.preview().text + engine.up().text + engine.refresh().text
    kept = [path.read_text(errors="replace") for path in (tmp_path / "backend").rglob("*.json*")]
    key = api_server.kubeconfig.read_text().partition("client-key-data: ")[2].split()[0]

    assert kept
    for text in (shown, json.dumps(engine.state()), *kept):
        assert PASSWORD not in text
        assert IN_BASE64 not in text
        assert key not in text


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"kubeconfig": "nowhere"}, r"Get \"https://127\.0\.0\.1.*connection refused"),
        ({"context": "other"}, "unable to load Kubernetes client configuration"),
    ],
)
def test_an_unreachable_cluster_fails_an_update_and_not_a_preview(
    engine: Engine, nowhere: str, options: dict[str, str], reason: str
) -> None:
    given = {key: nowhere if value == "nowhere" else value for key, value in options.items()}
    engine.run(PROGRAMS / "one_config_map.py", PROVIDER=json.dumps(given))
    unreachable = f"configured Kubernetes cluster is unreachable: .*{reason}"
    assert engine.preview().steps == {"create": 3}, "it does not notice"
    with pytest.raises(EngineFailedError) as failed:
        engine.up()
    assert re.search(unreachable, failed.value.lines[0])
    assert "Traceback" not in str(failed.value)


def test_renewed_credentials_update_the_provider_alone(
    engine: Engine, api_server: ApiServer
) -> None:
    def provided(**more: str) -> None:
        options = {"kubeconfig": api_server.kubeconfig.read_text(), **more}
        engine.run(PROGRAMS / "one_config_map.py", NAME="renewed", PROVIDER=json.dumps(options))

    provided(cluster_identifier="one")
    engine.up()
    renewed = api_server.kubeconfig_for("another-admin", ["system:masters"]).read_text()
    provided(cluster_identifier="one", kubeconfig=renewed)
    assert engine.up().steps == {"update": 1, "unchanged": 2}

    provided(cluster_identifier="two")
    assert engine.preview().steps["replace"] == 2
    engine.destroy()


def test_an_unready_deployment_fails_and_is_kept(engine: Engine, api_server: ApiServer) -> None:
    namespace = f"unready-{uuid.uuid4().hex[:8]}"
    api_server.kubectl("create", "namespace", namespace)
    engine.run(PROGRAMS / "impatient.py", NAMESPACE=namespace)

    for _ in range(2):
        with pytest.raises(EngineFailedError, match="'web' timed out waiting to be Ready"):
            engine.up()

    made = [each["id"] for each in engine.state()["resources"] if each["custom"]]
    assert f"{namespace}/web" in made
    engine.destroy()
    with pytest.raises(RuntimeError, match="NotFound"):
        api_server.get("deployment", "web", namespace)


def test_yaml_and_custom_resources(engine: Engine, api_server: ApiServer) -> None:
    engine.run(PROGRAMS / "tables.py")

    engine.preview()
    engine.up()
    assert api_server.get("configmap", "from-yaml", "default")["data"] == {"a": "b"}
    table = api_server.get("tables.example.net", "table", "default")
    assert table["spec"]["dentries"] == ["/a => /b"]
    engine.up("--expect-no-changes")
    engine.destroy()
    with pytest.raises(RuntimeError, match="NotFound"):
        api_server.get("crd", "tables.example.net")


def test_destroy_ends_where_the_cluster_is_gone(
    engine: Engine, api_server: ApiServer, nowhere: str, tmp_path: Path
) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(api_server.kubeconfig.read_text())
    engine.run(PROGRAMS / "one_config_map.py", NAME="lost", KUBECONFIG=str(kubeconfig))
    engine.up()
    kubeconfig.write_text(nowhere)

    with pytest.raises(EngineFailedError, match=DELETE_UNREACHABLE):
        engine.destroy()
    engine.set_environment(PULUMI_K8S_DELETE_UNREACHABLE="true")
    engine.destroy()
    assert "resources" not in engine.state()
