"""The summary of real previews, by the real engine, of a table in a running namerd."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from canary import events, report
from local import policies
from local.paths import ROOT
from tests.engine.tables import BASE_TEXT, V1, V2, WORLD, dtab, text
from tests.engine.test_dtab_by_engine import declare
from tests.harness.engine import Engine, EngineFailedError, stack
from tests.harness.namerd import Namerd, namerd

AGREEABLE = [sys.executable, "-u", "-m", "tests.harness.agreeable"]


def summary(engine: Engine, folder: Path, command: str = "preview", *arguments: str) -> str:
    """The summary of a preview, failed or not."""
    log = folder / "events.jsonl"
    log.unlink(missing_ok=True)
    try:
        getattr(engine, command)(*arguments, "--event-log", str(log))
    except EngineFailedError:
        assert log.exists()
    return report.document(events.read(log.read_text(), "the log"))


@pytest.fixture(scope="module")
def its_namerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Namerd]:
    with namerd(tmp_path_factory.mktemp("namerd")) as found:
        yield found


@pytest.fixture(scope="module")
def told(its_namerd: Namerd, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What is told at each station of a table's life."""
    folder = tmp_path_factory.mktemp("summary")
    variables = {
        "PYTHONPATH": str(ROOT),
        "LINKERD_CANARY_PATIENCE": "0.2",
        "PULUMI_DEBUG_COMMANDS": "true",
    }
    found: dict[str, str] = {}
    with stack(folder, {}, **variables) as engine:

        def tell(station: str, *arguments: str) -> None:
            found[station] = summary(engine, folder, "preview", *arguments)

        url = its_namerd.url
        declare(engine, dtab("", 10, namerd={"cluster": "here", "url": url}))
        tell("first creation")
        engine.up()
        tell("nothing", "--refresh")
        declare(engine, dtab("", 40, namerd={"cluster": "here", "url": url}))
        tell("weight change", "--refresh")
        assert its_namerd.get("internal") == text(10), "a preview writes nothing"
        with namerd(folder) as another:
            declare(engine, dtab("", 40, namerd={"cluster": "there", "url": another.url}))
            tell("replacement")
        declare(engine, dtab("", 40, namerd={"cluster": "here", "url": url}))
        theirs = f"{BASE_TEXT};/new=>/x;{WORLD}=>1*{V1} & 3*{V2}"
        its_namerd.put("internal", theirs)
        version = its_namerd.version("internal")
        tell("drift", "--refresh")
        tell("without refresh")
        found["drift alone"] = summary(engine, folder, "preview_refresh")
        wrong = dtab("", namerd={"cluster": "here", "url": url}, splits={WORLD: {V1: 90, V2: 20}})
        declare(engine, wrong)
        tell("failure", "--refresh")
        assert its_namerd.version("internal") == version, "none of them writes anything"
        its_namerd.delete("internal")
        declare(engine, dtab("", 40, namerd={"cluster": "here", "url": url}))
        tell("gone", "--refresh")
    return found


def test_first_creation(told: dict[str, str]) -> None:
    assert told["first creation"] == (
        "### Preview of `test`\n\n"
        "**`/host/world`** in table `internal`\n\n"
        "| branch | now | after |\n"
        "| --- | ---: | ---: |\n"
        "| `/srv/world-v1` | – | **90 %** |\n"
        "| `/srv/world-v2` | – | **10 %** |\n\n"
        "**Resources**: 1 made\n\n"
        "- made `Dtab` `internal`\n"
    )


def test_nothing(told: dict[str, str]) -> None:
    assert told["nothing"] == (
        "### Preview of `test`\n\nNothing changes, and nothing has drifted.\n"
    )


def test_weight_change(told: dict[str, str]) -> None:
    assert told["weight change"] == (
        "### Preview of `test`\n\n"
        "**`/host/world`** in table `internal`\n\n"
        "| branch | now | after |\n"
        "| --- | ---: | ---: |\n"
        "| `/srv/world-v1` | 90 % | **60 %** |\n"
        "| `/srv/world-v2` | 10 % | **40 %** |\n\n"
        "**Resources**: 1 changed\n\n"
        "- changed `Dtab` `internal`: `splits`\n"
    )


def test_replacement(told: dict[str, str]) -> None:
    assert "**Resources**: **1 replaced**\n" in told["replacement"]
    assert "- **replaced** `Dtab` `internal`: `namerd" in told["replacement"]
    assert "| `/srv/world-v2` | 10 % | **40 %** |" in told["replacement"]


DRIFT = (
    "Entries of table `internal`, **changed by somebody else**:\n\n```diff\n+ /new => /x\n```\n\n"
)


def test_drift(told: dict[str, str]) -> None:
    assert told["drift"] == (
        "### Preview of `test`\n\n"
        "**`/host/world`** in table `internal`, **changed by somebody else**\n\n"
        "| branch | deployed | live | after |\n"
        "| --- | ---: | ---: | ---: |\n"
        "| `/srv/world-v1` | 90 % | 25 % | **60 %** |\n"
        "| `/srv/world-v2` | 10 % | 75 % | **40 %** |\n\n"
        f"{DRIFT}"
        "Entries of table `internal`, changed:\n\n"
        "```diff\n"
        "- /new => /x\n"
        "```\n\n"
        "**Drift**: changed outside of Pulumi\n\n"
        "- `Dtab` `internal`: `dentries`, `splits`\n\n"
        "**Resources**: 1 changed\n\n"
        "- changed `Dtab` `internal`: `dentries`, `splits`\n"
    )


def test_without_refresh_no_drift_is_seen(told: dict[str, str]) -> None:
    assert told["without refresh"] == told["weight change"]


def test_a_refresh_by_itself(told: dict[str, str]) -> None:
    assert told["drift alone"] == (
        "### Preview of `test`\n\n"
        "**`/host/world`** in table `internal`, **changed by somebody else**\n\n"
        "| branch | deployed | live |\n"
        "| --- | ---: | ---: |\n"
        "| `/srv/world-v1` | 90 % | **25 %** |\n"
        "| `/srv/world-v2` | 10 % | **75 %** |\n\n"
        f"{DRIFT}"
        "**Drift**: changed outside of Pulumi\n\n"
        "- `Dtab` `internal`: `dentries`, `splits`\n"
    )


def test_a_failed_preview(told: dict[str, str]) -> None:
    head, _, rest = told["failure"].partition("**`/host/world`**")
    assert head == (
        "### Preview of `test`\n\n"
        "**The preview failed:** an update would stop.\n\n"
        "```\n"
        "pulumi-python:dynamic/namerd:Dtab resource 'internal' has a problem: "
        "splits['/host/world']: the weights add up to 110, not to 100\n"
        "```\n\n"
    )
    assert "| `/srv/world-v2` | 10 % | **75 %** |" in rest, "the drift that was seen is told"


def test_a_table_that_is_gone(told: dict[str, str]) -> None:
    assert "| `/srv/world-v2` | 10 % | – | **40 %** |" in told["gone"]
    assert "- `Dtab` `internal` is gone\n" in told["gone"]
    assert "**Resources**: 1 made\n" in told["gone"]


PROGRAM = """
import pulumi
import pulumi_kubernetes as k8s

spec = {"containers": [{"name": "main", "image": "example.com/web"}]}
k8s.core.v1.Pod("web", metadata={"name": "web"}, spec=spec)
given = {"password": pulumi.Output.secret("s3cret-value")}
k8s.core.v1.Secret("key", metadata={"name": "key"}, string_data=given)
"""


def test_a_policy_violation(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    home = tmp_path / "stack"
    home.mkdir()
    variables = {"PYTHONPATH": str(ROOT), "PULUMI_DEBUG_COMMANDS": "true"}
    with stack(home, {"kubernetes": AGREEABLE}, **variables) as engine:
        pack = policies.pack(home / "policy", {**os.environ, "PULUMI_HOME": str(home / "home")})
        engine.run(program)
        shown = summary(engine, home, "preview", "--policy-pack", str(pack))
    head, _, rest = shown.partition("**Policies**: ")
    assert head == ("### Preview of `test`\n\n**The preview failed:** an update would stop.\n\n")
    kept, _, rest = rest.partition(" kept, **2 broken**\n\n")
    assert int(kept) > 3
    said, _, resources = rest.partition("\n\n")
    hardened, pinned = said.splitlines()
    assert hardened.startswith("- **mandatory** `hardened-pods` by `web`: `container main ")
    assert pinned.startswith("- **mandatory** `pinned-images` by `web`: `container")
    assert "example.com/web" in pinned
    assert resources == ("**Resources**: 2 made\n\n- made `Pod` `web`\n- made `Secret` `key`\n")
