"""A stack keeps to its cluster: through the real engine and Pulumi's plugin, on two API servers."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from dynamic import identifying
from kube.errors import UnauthorizedError
from local.paths import ROOT
from tests.harness import apiserver
from tests.harness.apiserver import ApiServer
from tests.harness.engine import Engine, EngineFailedError, kubernetes_plugin, stack
from tests.harness.processes import free_port
from tests.harness.relay import relay
from tests.harness.waiting import wait_until
from tests.unit.test_settings import defaults

pytestmark = pytest.mark.long

PROGRAMS = Path(__file__).parent / "programs"
IDENTITY = "pulumi-python:dynamic/kube:ClusterIdentity"
ALL = {"create": 4}
"""The stack, the identity, the provider, and the ConfigMap."""


@pytest.fixture(scope="module")
def other_server() -> Iterator[ApiServer]:
    with apiserver.api_server() as server:
        yield server


def uid_of(server: ApiServer) -> str:
    return str(server.get("namespace", "kube-system")["metadata"]["uid"])


@dataclass
class Trial:
    """A stack with a ConfigMap on one of two clusters, by the ambient kubeconfig."""

    engine: Engine
    one: ApiServer
    two: ApiServer
    folder: Path
    name: str = field(default_factory=lambda: f"which-{uuid.uuid4().hex[:8]}")

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    def contexts(self, current: str, **changed: Any) -> None:
        """Write a kubeconfig of both clusters; `changed` are settings of the first one's."""
        merged: dict[str, Any] = {"current-context": current}
        for name, server in (("one", self.one), ("two", self.two)):
            found = yaml.safe_load(server.kubeconfig.read_text())
            cluster = found["clusters"][0]["cluster"]
            if name == "one":
                cluster.update(changed)
            context = {"cluster": name, "user": name}
            user = found["users"][0]["user"]
            merged.setdefault("clusters", []).append({"name": name, "cluster": cluster})
            merged.setdefault("users", []).append({"name": name, "user": user})
            merged.setdefault("contexts", []).append({"name": name, "context": context})
        self.kubeconfig.write_text(yaml.safe_dump(merged))

    def run(self, weight: int = 10, **config: str) -> None:
        self.engine.run(
            PROGRAMS / "aks.py",
            NAME=self.name,
            WEIGHT=str(weight),
            CONFIG=json.dumps({**defaults(), **config}),
        )

    def weight(self, server: ApiServer) -> str | None:
        """What the ConfigMap says on a cluster; None where there is none."""
        found = server.kubectl("get", "configmap", self.name, "--ignore-not-found", "-o", "json")
        return str(json.loads(found)["data"]["weight"]) if found else None

    def refused(self, what: str, *arguments: str, says: str = "kubeconfig leads to another") -> str:
        """The one line of a command that must fail."""
        with pytest.raises(EngineFailedError) as failed:
            getattr(self.engine, what)(*arguments)
        assert "Traceback" not in str(failed.value)
        found = [line for line in failed.value.lines if says in line]
        assert len(found) == 1, str(failed.value)
        return found[0]


@pytest.fixture
def trial(tmp_path: Path, api_server: ApiServer, other_server: ApiServer) -> Iterator[Trial]:
    given = {
        "PYTHONPATH": str(ROOT),
        "KUBECONFIG": str(tmp_path / "kubeconfig"),
        "LINKERD_CANARY_PATIENCE": "0.1",
    }
    with stack(tmp_path, {"kubernetes": kubernetes_plugin()}, **given) as engine:
        found = Trial(engine, api_server, other_server, tmp_path)
        found.contexts("one")
        found.run()
        yield found


def writes(server: ApiServer, before: int) -> list[apiserver.Request]:
    return [request for request in server.requests()[before:] if request.writes]


def test_the_first_preview_shows_all_and_the_cluster_in_plain_lines(trial: Trial) -> None:
    planned = trial.engine.preview()
    assert planned.steps == ALL
    assert f'server    : "{trial.one.url}"' in planned.text
    assert f'uid       : "{uid_of(trial.one)}"' in planned.text
    assert trial.engine.up().steps == ALL
    trial.engine.preview("--refresh", "--expect-no-changes")
    key = trial.one.kubeconfig.read_text().partition("client-key-data: ")[2].split()[0]
    assert key not in json.dumps(trial.engine.state())
    trial.engine.destroy()
    assert trial.weight(trial.one) is None


def test_another_current_context_is_refused_before_anything_is_written(trial: Trial) -> None:
    trial.engine.up()
    state = trial.engine.state()["resources"]
    trial.contexts("two")
    trial.run(weight=20)
    seen = [(server, len(server.requests())) for server in (trial.one, trial.two)]
    for command in (["preview"], ["up"], ["preview", "--refresh"], ["up", "--refresh"]):
        line = trial.refused(*command)
        assert f"is on the cluster {uid_of(trial.one)} ({trial.one.url})" in line
        assert f"leads to another, {uid_of(trial.two)} ({trial.two.url})" in line
        assert "clusterIdentifier" in line
    for server, before in seen:
        assert writes(server, before) == []
    assert [each["urn"] for each in trial.engine.state()["resources"]] == [
        each["urn"] for each in state
    ]

    # Without the program both go by the state, which leads where it always did.
    trial.engine.refresh()
    trial.engine.destroy()
    assert trial.weight(trial.one) is None
    assert [writes(server, before) for server, before in seen[1:]] == [[]]


def test_a_chosen_context_is_not_moved_by_the_current_one(trial: Trial) -> None:
    trial.run(kubeContext="one")
    trial.engine.up()
    trial.contexts("two")
    trial.run(weight=20, kubeContext="one")
    assert trial.engine.up().steps["update"] == 1
    assert (trial.weight(trial.one), trial.weight(trial.two)) == ("20", None)
    trial.engine.destroy()


def test_another_identifier_means_another_cluster(trial: Trial) -> None:
    trial.engine.up()
    trial.contexts("two")
    trial.run(clusterIdentifier="second")
    planned = trial.engine.preview()
    assert planned.steps == {"replace": 3, "unchanged": 1}
    trial.engine.up()
    assert (trial.weight(trial.one), trial.weight(trial.two)) == (None, "10")
    trial.run()
    assert trial.engine.preview().steps == {"unchanged": 4}, "it stays what it was"
    trial.engine.destroy()
    assert trial.weight(trial.two) is None


def test_another_identifier_for_the_same_cluster_is_refused(trial: Trial) -> None:
    """Each object would be made anew, and then deleted by its name, which is the new one's too."""
    trial.engine.up()
    trial.run(weight=20, clusterIdentifier="second")
    before = len(trial.one.requests())
    for command in ("preview", "up"):
        line = trial.refused(command, says="leads to the same one as before")
        assert "clusterIdentifier 'second' in place of 'test'" in line
    assert writes(trial.one, before) == []
    trial.run(weight=20, clusterIdentifier="test")
    assert trial.engine.up().steps == {"update": 1, "unchanged": 3}
    trial.engine.destroy()


def test_an_old_state_goes_over_without_a_replacement(trial: Trial) -> None:
    options = {
        "kubeconfig": trial.one.kubeconfig.read_text(),
        "cluster_identifier": "test",
        "enable_config_map_mutable": True,
        "enable_secret_mutable": True,
    }
    trial.engine.run(PROGRAMS / "one_config_map.py", NAME=trial.name, PROVIDER=json.dumps(options))
    trial.engine.up()
    trial.run()
    planned = trial.engine.preview()
    assert planned.steps == {"create": 1, "update": 2, "unchanged": 1}, "the identity is new"
    trial.engine.up()
    assert trial.weight(trial.one) == "10"
    trial.contexts("two")
    trial.refused("up")
    trial.engine.destroy()


def test_a_renamed_stack_changes_nothing(trial: Trial) -> None:
    trial.engine.up()
    trial.engine.rename("other")
    assert trial.engine.preview().steps == {"unchanged": 4}
    assert trial.engine.up("--refresh").steps == {"unchanged": 4}
    trial.contexts("two")
    trial.refused("up")
    trial.engine.destroy()


def test_renewed_addresses_and_credentials_are_updates_in_place(trial: Trial) -> None:
    trial.engine.up()
    renewed = trial.one.url.replace("127.0.0.1", "localhost")
    trial.contexts("one", server=renewed)
    planned = trial.engine.preview()
    assert planned.steps == {"update": 2, "unchanged": 2}
    assert f'~ server    : "{trial.one.url}" => "{renewed}"' in planned.text
    trial.engine.up()

    content = trial.one.kubeconfig_for("renewed-admin", ["system:masters"]).read_text()
    trial.run(kubeconfig=content.replace("127.0.0.1", "localhost"))
    assert trial.engine.up().steps == {"update": 2, "unchanged": 2}
    assert trial.engine.up("--refresh").steps == {"unchanged": 4}
    trial.engine.destroy()


def test_an_address_that_leads_to_another_cluster_is_refused(trial: Trial) -> None:
    """A tunnel, say, without a certificate authority to tell the clusters apart."""
    token = trial.folder / "token"

    tokens = {each.port: administrators_token(trial, each) for each in (trial.one, trial.two)}
    with relay(to=trial.one.port) as way:
        config = yaml.safe_load(trial.one.kubeconfig.read_text())
        config["clusters"][0]["cluster"] = {
            "server": f"https://127.0.0.1:{way.port}",
            "insecure-skip-tls-verify": True,
        }
        config["users"][0]["user"] = {"tokenFile": str(token)}
        token.write_text(tokens[trial.one.port])
        trial.run(kubeconfig=yaml.safe_dump(config))
        trial.engine.up()

        way.to = trial.two.port
        token.write_text(tokens[trial.two.port])
        before = len(trial.two.requests())
        for command in ("preview", "up", "refresh", "preview", "up"):
            trial.refused(command)
        assert writes(trial.two, before) == []
        assert trial.weight(trial.one) == "10"
        # Pulumi's plugin has not found the object, and the state forgets it until the next update.
        assert IDENTITY in [each["type"] for each in trial.engine.state()["resources"]]

        way.to = trial.one.port
        token.write_text(tokens[trial.one.port])
        trial.engine.up("--refresh")
        assert trial.weight(trial.one) == "10"
        trial.engine.destroy()
        assert trial.weight(trial.one) is None


def test_a_cluster_that_does_not_answer(trial: Trial) -> None:
    away = f"https://127.0.0.1:{free_port()}"
    trial.contexts("one", server=away)
    planned = trial.engine.preview()
    assert planned.steps == ALL
    assert "uid       : [unknown]" in planned.text or "uid" not in planned.text
    with pytest.raises(EngineFailedError, match=f"the cluster at {away} cannot be reached"):
        trial.engine.up()
    assert [each["type"] for each in trial.engine.state().get("resources", [])][2:] == []

    trial.contexts("one")
    trial.engine.up()
    trial.contexts("one", server=away)
    for command in ("preview", "up"):
        with pytest.raises(EngineFailedError, match=f"the cluster at {away} cannot be reached"):
            getattr(trial.engine, command)()


def test_a_cluster_that_is_gone_for_good_is_left_by_name(trial: Trial) -> None:
    with relay(to=trial.one.port) as way:
        trial.contexts("one", server=f"https://127.0.0.1:{way.port}")
        trial.engine.up()
    trial.contexts("two")
    trial.refused("up")
    trial.engine.set_environment(PULUMI_K8S_DELETE_UNREACHABLE="true")
    trial.engine.refresh()
    assert trial.engine.up().steps["create"] == 2
    assert trial.weight(trial.two) == "10"
    trial.engine.destroy()


def test_who_may_not_see_the_cluster_is_told_what_right_it_takes(trial: Trial) -> None:
    content = trial.one.kubeconfig_for(f"nobody-{trial.name}").read_text()
    trial.run(kubeconfig=content)
    with pytest.raises(EngineFailedError) as failed:
        trial.engine.up()
    assert "grant get on the namespace kube-system" in failed.value.lines[0]


def test_a_refresh_goes_by_the_ambient_kubeconfig_where_the_states_is_not_known(
    trial: Trial,
) -> None:
    kubeconfig = trial.one.kubeconfig_with(
        "by-token", {"token": administrators_token(trial, trial.one)}
    )
    trial.run(kubeconfig=kubeconfig.read_text())
    trial.engine.up()
    trial.one.kubectl("delete", "serviceaccount", trial.name, "--namespace=default")
    wait_until(lambda: is_unknown(kubeconfig), "the token is refused")
    with pytest.raises(EngineFailedError) as failed:
        trial.engine.refresh()
    said = str(failed.value)
    assert "asked as context 'one' of the ambient kubeconfig: the state's is refused (401)" in said
    trial.run()
    trial.engine.up()
    trial.engine.destroy()


def administrators_token(trial: Trial, server: ApiServer) -> str:
    """A token of a new service account that may do everything."""
    server.kubectl("create", "serviceaccount", trial.name, "--namespace=default")
    account = f"--serviceaccount=default:{trial.name}"
    server.kubectl(
        "create", "clusterrolebinding", trial.name, "--clusterrole=cluster-admin", account
    )
    server.wait_until_allowed(f"system:serviceaccount:default:{trial.name}", "*", "*")
    return server.service_account_token("default", trial.name)


def is_unknown(kubeconfig: Path) -> bool:
    try:
        identifying.identity(str(kubeconfig))
    except UnauthorizedError:
        return True
    return False
