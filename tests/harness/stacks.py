"""What Pulumi's CLI prints of a stack `dev`, as tests want it."""

import json
from collections.abc import Mapping
from typing import Any

import yaml

from local.paths import ROOT

BASE = ["/srv => /#/io.l5d.k8s/hello-world/http", "/host => /srv", "/svc => /host"]
_TYPE = "pulumi-python:dynamic/namerd:Dtab"
_SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}


def table(
    name: str,
    splits: Mapping[str, Mapping[str, float]],
    dentries: list[str] | None = None,
    router: str = "outgoing",
    baseline: dict[str, str] | None = None,
) -> dict[str, Any]:
    """A Dtab of the state."""
    entries = BASE if dentries is None else dentries
    unions = [
        f"{prefix} => " + " & ".join(f"{percent} * {path}" for path, percent in of.items())
        for prefix, of in splits.items()
    ]
    return {
        "urn": f"urn:pulumi:dev::linkerd-canary::{_TYPE}::{name}",
        "type": _TYPE,
        "outputs": {
            "namespace": name,
            "dentries": entries,
            "splits": splits,
            "baseline": baseline or {},
            "namerd": {
                "cluster": "dev",
                "service": "linkerd/namerd",
                "kubeconfig": {**_SECRET, "plaintext": json.dumps("apiVersion: v1\n")},
            },
            "linkerds": {
                "namespace": "linkerd",
                "port": "9990",
                "router": router,
                "selector": "app=l5d",
            },
            "resource": f"organization/urn:pulumi:dev::linkerd-canary::{_TYPE}::{name}",
            "dtab": ";".join([*entries, *unions]),
            "max_weight_step": 100,
        },
    }


def export(*tables: dict[str, Any]) -> str:
    """`pulumi stack export --show-secrets`"""
    stack = {"urn": "urn:pulumi:dev::linkerd-canary::pulumi:pulumi:Stack::s", "type": "stack"}
    return json.dumps({"deployment": {"resources": [stack, *tables]}})


def config(**changed: str) -> dict[str, Any]:
    """All values, by default those of Pulumi.yaml."""
    declared = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    texts = {key: given["default"] for key, given in declared.items()}
    return {
        f"linkerd-canary:{key}": {
            "value": value if isinstance(value, str) else json.dumps(value),
            "secret": False,
        }
        for key, value in {**texts, **changed}.items()
    }


def config_text(**changed: str) -> str:
    """`pulumi config --json --show-secrets`"""
    return json.dumps(config(**changed))


def update(
    number: int, weight: float, message: str = "Title", result: str = "succeeded", **changed: str
) -> dict[str, Any]:
    """One of `pulumi stack history --json`."""
    return {
        "version": number,
        "kind": "update",
        "startTime": f"2026-11-26T05:{number % 60:02}:21.000Z",
        "endTime": f"2026-11-26T05:{number % 60:02}:27.000Z",
        "message": message,
        "environment": {
            "git.author": "Anna",
            "git.head": "7e1504b137adfafc720472db5e77d5da84957d81",
        },
        "config": config(canaryWeight=f"{weight:g}", **changed),
        "result": result,
    }
