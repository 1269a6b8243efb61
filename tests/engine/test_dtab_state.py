"""What states refer to: it may never change, or they could not be read any more."""

import base64
import json
import os
import pickletools
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pulumi.dynamic.dynamic import serialize_provider

from dynamic.dtab import Dtab, DtabProvider
from tests.engine.tables import dtab, text
from tests.harness.namerd import Namerd
from tests.provider_host import ProviderHost, Stack, State

STATES = sorted((Path(__file__).parent.parent / "data" / "dtab-states").iterdir())
ROOT = Path(__file__).parent.parent.parent
PICKLED = "gASVJAAAAAAAAACMDGR5bmFtaWMuZHRhYpSMDER0YWJQcm92aWRlcpSTlCmBlC4="


def test_the_names_that_states_refer_to() -> None:
    assert (DtabProvider.__module__, DtabProvider.__qualname__) == ("dynamic.dtab", "DtabProvider")
    assert f"pulumi-python:{Dtab._resource_type_name}" == "pulumi-python:dynamic/namerd:Dtab"


def test_the_form_of_ids(stack: Stack, a_namerd: Namerd) -> None:
    for namerd, id_ in (
        ({"url": a_namerd.url}, f"{a_namerd.url}/internal"),
        ({"url": a_namerd.url, "cluster": "here"}, "here/internal"),
        (
            {"url": a_namerd.url, "cluster": "here", "service": "linkerd/namerd"},
            "here/linkerd/namerd/internal",
        ),
    ):
        stack.up(dtab("", namerd=namerd))
        assert stack.state is not None
        assert stack.state.id == id_
        stack.destroy()


def test_the_pickled_provider_is_a_reference_by_name() -> None:
    """No bytecode, which only the Python that made it could load, and nothing else either."""
    assert serialize_provider(DtabProvider()) == PICKLED
    operations = list(pickletools.genops(base64.b64decode(PICKLED)))
    assert [argument for _, argument, _ in operations if isinstance(argument, str)] == [
        "dynamic.dtab",
        "DtabProvider",
    ]
    assert {operation.name for operation, _, _ in operations} == {
        "PROTO", "FRAME", "SHORT_BINUNICODE", "MEMOIZE", "STACK_GLOBAL", "EMPTY_TUPLE", "NEWOBJ",
        "STOP",
    }  # fmt: skip
    assert DtabProvider().__dict__ == {}


@pytest.mark.parametrize("seed", ["0", "1", "4294967295"])
def test_the_pickled_bytes_are_the_same_in_every_run(seed: str) -> None:
    code = (
        "from dynamic.dtab import DtabProvider; "
        "from pulumi.dynamic.dynamic import serialize_provider; "
        "print(serialize_provider(DtabProvider()))"
    )
    assert _python(code, PYTHONHASHSEED=seed) == PICKLED


@pytest.mark.parametrize(
    "provider", ["dynamic.dtab", "dynamic.cluster_identity", "dynamic.first_name", "mesh.claim"]
)
def test_a_provider_can_be_loaded_alone(provider: str) -> None:
    """Nothing else of the project, and what talks to a cluster only once it is needed.

    The host loads providers in several threads, which may not import requests at once.
    """
    code = (
        f"import sys, {provider}; print(*sorted({{name.split('.')[0] for name in sys.modules}} & "
        "{'settings', 'infra', 'apps', 'local', 'tests', 'requests', 'kubernetes'}))"
    )
    assert _python(code) == ""


def _python(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def recorded(path: Path, url: str) -> tuple[str, State]:
    """A state as a release has saved it, and its provider; namerd has moved since."""
    saved: dict[str, Any] = json.loads(path.read_text())
    pickled = saved["outputs"].pop("__provider")
    saved["inputs"].pop("__provider")
    for properties in (saved["inputs"], saved["outputs"]):
        if "url" in properties["namerd"]:
            properties["namerd"]["url"] = url
    return pickled, State(saved["id"], saved["inputs"], saved["outputs"])


@pytest.mark.parametrize("path", STATES, ids=lambda path: path.stem)
def test_a_state_of_an_earlier_release_refreshes_updates_and_is_destroyed(
    host: ProviderHost, a_namerd: Namerd, path: Path
) -> None:
    pickled, state = recorded(path, a_namerd.url)
    a_namerd.put("internal", text(10))
    stack = Stack(host, pickled, state)
    before = dict(state.outputs)
    assert stack.refresh() == "read"
    assert stack.state is not None
    assert {**stack.state.outputs, "version": before["version"]} == before
    inputs = dtab("", 10, namerd=state.outputs["namerd"])
    assert stack.up(inputs) == "same"
    assert stack.up({**inputs, "splits": dtab("", 20)["splits"]}) == "update"
    assert a_namerd.get("internal") == text(20)
    assert stack.state.id == "here/linkerd/namerd/internal"
    stack.destroy()
    assert a_namerd.get("internal") is None


@pytest.mark.parametrize("path", STATES, ids=lambda path: path.stem)
def test_a_state_of_an_earlier_release_updates_without_a_refresh(
    host: ProviderHost, a_namerd: Namerd, path: Path
) -> None:
    pickled, state = recorded(path, a_namerd.url)
    a_namerd.put("internal", text(10))
    stack = Stack(host, pickled, state)
    inputs = dtab("", 20, namerd=state.outputs["namerd"])
    assert stack.up(inputs) == "update"
    assert a_namerd.get("internal") == text(20)
