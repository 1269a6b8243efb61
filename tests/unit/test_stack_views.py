"""The stack as a command sees it: state, config, last commit and history."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from canary.errors import CanaryError
from canary.stack import configured, deployed, history, split
from canary.stack.configured import Values
from canary.stack.deployed import Deployed
from dynamic.tables import entries_of
from local.paths import ROOT
from tests.harness.stacks import config_text, export, table, update

INTERNAL: dict[str, dict[str, float]] = {"/host/world": {"/srv/world-v1": 90, "/srv/world-v2": 10}}


def state(*tables: dict[str, Any]) -> Deployed:
    return deployed.read(export(*(tables or (table("internal", INTERNAL),))))


def test_the_state_tells_weights_tables_and_how_to_reach_them() -> None:
    found = state()
    assert (found.project, found.stack) == ("linkerd-canary", "dev")
    assert found.settings == "Pulumi.dev.yaml"
    (only,) = found.tables
    assert only.namespace == "internal"
    assert only.splits == INTERNAL
    assert only.target.service == "linkerd/namerd"
    assert only.target.kubeconfig == "apiVersion: v1\n"
    assert (only.linkerds.selector, only.linkerds.router) == ("app=l5d", "outgoing")


def test_weights_that_are_secret_in_the_state() -> None:
    hidden = table("internal", INTERNAL)
    hidden["outputs"]["splits"] = {
        "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
        "plaintext": json.dumps(INTERNAL),
    }
    found = state(hidden)
    assert found.tables[0].splits == INTERNAL


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "the stack's state has an unknown form"),
        ('{"deployment": null}', "the stack's state has an unknown form"),
        ('{"deployment": {}}', "the stack has no routing table yet: run `pulumi up` first"),
    ],
)
def test_a_state_without_tables_is_one_line(text: str, said: str) -> None:
    with pytest.raises(CanaryError, match=said):
        deployed.read(text)


def test_a_table_of_an_earlier_release_is_one_line() -> None:
    old = table("internal", INTERNAL)
    del old["outputs"]["linkerds"]
    with pytest.raises(CanaryError, match="'internal' is of an earlier release: run `pulumi up`"):
        state(old)


def test_the_only_split_is_chosen() -> None:
    found = split.chosen(state(), None)
    assert found.service == "world"
    assert found.versions == ("world-v1", "world-v2")
    assert (found.baseline, found.canary) == ("world-v1", "world-v2")
    assert found.ways[0].weights == {"world-v1": 90, "world-v2": 10}


def test_the_baseline_comes_first_whatever_its_name() -> None:
    given = table("internal", INTERNAL, baseline={"/host/world": "/srv/world-v2"})
    assert split.chosen(state(given), None).versions == ("world-v2", "world-v1")


def test_of_several_splits_one_is_to_be_named() -> None:
    several: dict[str, dict[str, float]] = {
        **INTERNAL,
        "/host/api": {"/srv/api-a": 50, "/srv/api-b": 50},
    }
    found = state(table("internal", several))
    assert split.chosen(found, "api").canary == "api-b"
    with pytest.raises(
        CanaryError, match="the stack splits api and world: say which with --service"
    ):
        split.chosen(found, None)
    with pytest.raises(CanaryError, match="splits no service 'hello', only api and world"):
        split.chosen(found, "hello")


def test_a_stack_without_splits() -> None:
    with pytest.raises(CanaryError, match="the stack dev splits no traffic between versions"):
        split.chosen(state(table("internal", {})), None)


def test_a_service_that_is_split_at_the_edge_too_is_one_split_with_two_ways() -> None:
    edge: dict[str, dict[str, float]] = {
        "/host": {f"/#/io.l5d.k8s/hello-world/http/world-v{n}": 50 for n in (1, 2)}
    }
    outside = table("external", edge, dentries=["/svc/* => /host"], router="external")
    found = split.chosen(state(outside, table("internal", INTERNAL)), None)
    assert found.service == "world"
    assert [way.table.namespace for way in found.ways] == ["internal", "external"]


def test_bound_names_and_what_leads_through_the_split() -> None:
    (way,) = split.chosen(state(), None).ways
    entries = entries_of(way.table.dtab)
    assert split.bound_names(way, entries) == {
        f"/#/io.l5d.k8s/hello-world/http/world-v{n}": f"world-v{n}" for n in (1, 2)
    }
    assert split.leads_through(way, entries, "/svc/world")
    assert not split.leads_through(way, entries, "/svc/world-v1")
    assert not split.leads_through(way, entries, "/svc/hello")


def values(**changed: Any) -> Values:
    return configured.read(config_text(**changed), "linkerd-canary")


def test_the_configs_weights() -> None:
    chosen = split.chosen(state(), None)
    assert configured.weights(values(canaryWeight="12.5"), chosen) == {
        "world-v1": 87.5,
        "world-v2": 12.5,
    }
    assert values().follows_canary_weight("world")
    assert not values().follows_canary_weight("hello")


def test_weights_of_a_services_own() -> None:
    services = {
        "hello": {"port": 80},
        "w": {
            "port": 80,
            "prefix": "/host/world",
            "versions": {"v1": {}, "v2": {}},
            "weights": {"v1": 25, "v2": 75},
        },
    }
    found = values(services=json.dumps(services))
    chosen = split.chosen(state(), None)
    assert configured.weights(found, chosen) == {"w-v1": 25, "w-v2": 75}
    assert found.declared(chosen) == "w"
    assert not found.follows_canary_weight("w")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"canaryWeight": "ten"}, "it must be a percent from 0 to 100"),
        ({"services": '{"hello": {"port": 1}}'}, "no service 'world' with versions"),
        ({"services": '{"hello": {}}'}, "config services.hello.port: it is missing"),
    ],
)
def test_a_config_that_cannot_be_used_is_one_line(changed: dict[str, str], said: str) -> None:
    with pytest.raises(CanaryError, match=said):
        configured.weights(values(**changed), split.chosen(state(), None))


@pytest.mark.parametrize(
    ("before", "weight", "said"),
    [
        (0, 20, ""),
        (12.2, 32.2, ""),  # 32.2 - 12.2 is more than 20 in binary fractions
        (10, 31, "from 10 to 31 is more than maxWeightStep, 20"),
        (90, 0, ""),
    ],
)
def test_by_how_much_a_weight_may_rise(before: float, weight: float, said: str) -> None:
    assert values(maxWeightStep="20").too_much(before, weight) == said


@pytest.mark.parametrize("most", ["0.001", "0", "ten", ""])
def test_a_step_that_cannot_be_used_matters_only_where_a_weight_rises(most: str) -> None:
    given = values(maxWeightStep=most)
    said = re.escape(f"config maxWeightStep is {most!r}: it must be a percent from 0.01 to 100")
    with pytest.raises(CanaryError, match=said):
        given.too_much(0, 1)
    assert given.too_much(10, 10) == given.too_much(10, 0) == ""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    (tmp_path / "Pulumi.yaml").write_text((ROOT / "Pulumi.yaml").read_text())
    for command in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "one")):
        git(tmp_path, *command)
    return tmp_path


def git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    subprocess.run(["git", *who, "-C", folder, *arguments], check=True, capture_output=True)


def write(clone: Path, **config: Any) -> None:
    given = {f"linkerd-canary:{key}": value for key, value in config.items()}
    (clone / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": given}))


def last_commits(clone: Path) -> Values | None:
    return configured.committed(clone, "Pulumi.dev.yaml", "linkerd-canary")


@pytest.mark.parametrize("weight", [40, "40", 0.5])
def test_what_the_last_commit_says(clone: Path, weight: object) -> None:
    write(clone, canaryWeight=weight)
    git(clone, "add", ".")
    git(clone, "commit", "-q", "-m", "two")
    write(clone, canaryWeight=99)
    found = last_commits(clone)
    assert found is not None
    canary = configured.weights(found, split.chosen(state(), None))["world-v2"]
    assert canary == float(weight)  # type: ignore[arg-type]


def test_nothing_is_said_of_what_is_not_committed(clone: Path) -> None:
    write(clone, canaryWeight=10)
    assert last_commits(clone) is None
    assert configured.is_repository(clone)
    assert not configured.is_ignored(clone, "Pulumi.dev.yaml")
    (clone / ".gitignore").write_text("Pulumi.dev.yaml\n")
    assert configured.is_ignored(clone, "Pulumi.dev.yaml")


def test_a_folder_without_git(tmp_path: Path) -> None:
    assert not configured.is_repository(tmp_path)
    assert last_commits(tmp_path) is None


def test_encrypted_values_of_a_commit_stay_encrypted(clone: Path) -> None:
    services = {"hello": {"port": 80, "env": {"KEY": {"secure": "v1:abc"}}}}
    write(clone, services=services, kubeconfig={"secure": "v1:def"})
    git(clone, "add", ".")
    git(clone, "commit", "-q", "-m", "two")
    found = last_commits(clone)
    assert found is not None
    assert found.services["hello"]["env"]["KEY"] == "v1:abc"
    assert found.texts["kubeconfig"] == "v1:def"
    assert found.secret == {"kubeconfig"}


def updates(*given: dict[str, Any]) -> list[history.Update]:
    return history.read(json.dumps(list(given)), "linkerd-canary")


def test_who_set_the_weights_is_who_ran_the_first_update_with_them() -> None:
    found = updates(
        update(44, 10, hostPort="4141"),
        update(43, 30, result="failed"),
        update(42, 10),
        update(41, 10, message="canary set world 10 by anna@ws7"),
        update(40, 5),
    )
    last = history.of_weights(found, split.chosen(state(), None))
    assert last is not None
    assert (last.number, last.by) == (41, "canary set world 10 by anna@ws7")
    assert found[0].by == "Anna, commit 7e1504b"


def test_what_ran_in_a_pipeline_says_so() -> None:
    given = update(1, 0)
    given["environment"]["ci.system"] = "GitHub Actions"
    assert updates(given)[0].by == "Anna in GitHub Actions, commit 7e1504b"


def test_a_stack_that_was_never_updated() -> None:
    assert history.of_weights(updates(), split.chosen(state(), None)) is None
    assert history.not_deployed([], values()) == []


def test_what_is_not_deployed_yet_is_told_by_the_last_whole_update() -> None:
    targeted = update(3, 10, replicas="5")
    targeted["environment"]["pulumi.flag.target"] = "set"
    found = updates(targeted, update(2, 10, result="failed", replicas="5"), update(1, 5))
    assert history.not_deployed(found, values(replicas="5", canaryWeight="20")) == ["replicas"]
    assert history.not_deployed(found[2:], values()) == []


def test_a_history_of_an_unknown_form_is_one_line() -> None:
    with pytest.raises(CanaryError, match="the stack's history has an unknown form"):
        history.read('[{"kind": "update"}]', "linkerd-canary")
