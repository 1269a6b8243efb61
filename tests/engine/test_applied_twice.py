"""The program's objects, applied by two managers: the second must find nothing to quarrel about.

Pulumi's kubernetes plugin applies each object under a field manager of a random name, and forgets
the name when an `up` is killed before the engine has noted the object. Where the API server fills
in a part of a field that is owned as a whole, the next `up` fails with a conflict, every time.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.harness.apiserver import ApiServer
from tests.unit.test_program import run_program

pytestmark = pytest.mark.long

CONFIGS: dict[str, dict[str, str]] = {
    "defaults": {},
    "exposed as a NodePort to some": {"exposure": "NodePort", "nodeAddress": "192.0.2.9"},
    "a balancer's source ranges": {"sourceRanges": '["203.0.113.0/24"]'},
    "services of one's own": {
        "services": json.dumps(
            {
                "web": {
                    "port": 8080,
                    "image": "example.com/web:1",
                    "env": {"A": "b"},
                    "versions": {"v1": {}, "v2": {"image": "example.com/web:2"}},
                }
            }
        ),
        "entryService": "web",
    },
}
"""Config by what it adds to the objects."""


def manifests(config: dict[str, str], number: int) -> list[dict[str, Any]]:
    """The Kubernetes objects that the program declares, namespaces and definitions first."""
    # A namespace that has been deleted stays a while, and takes no new objects.
    own = {"meshNamespace": f"twice-mesh-{number}", "appsNamespace": f"twice-apps-{number}"}
    made = run_program({**config, **own}).made
    objects = [dict(one.inputs) for one in made if one.typ.startswith("kubernetes:")]
    first = ("Namespace", "CustomResourceDefinition")
    return sorted(objects, key=lambda manifest: manifest["kind"] not in first)


@pytest.mark.parametrize("added", CONFIGS)
def test_no_default_of_the_api_servers_makes_a_conflict(
    api_server: ApiServer, added: str, tmp_path: Path
) -> None:
    file = tmp_path / "objects.yaml"
    file.write_text(yaml.safe_dump_all(manifests(CONFIGS[added], list(CONFIGS).index(added))))
    assert "Deployment" in file.read_text()
    apply = ("apply", "--server-side", "-f", str(file))
    try:
        for manager in ("killed", "next"):
            api_server.kubectl(*apply, f"--field-manager=pulumi-kubernetes-{manager}")
    finally:
        api_server.kubectl("delete", "--wait=false", "--ignore-not-found", "-f", str(file))


def test_a_default_within_a_field_of_one_owner_would_make_one(api_server: ApiServer) -> None:
    """What the test above looks for is there to be found."""
    source = {"valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    container = {"name": "c", "image": "example.com/c:1", "env": [{"name": "A", **source}]}
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container]}}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "quarrel", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template},
    }
    apply = ("apply", "--server-side", "-f", "-")
    api_server.kubectl(*apply, "--field-manager=killed", given=json.dumps(deployment))
    with pytest.raises(RuntimeError, match="conflict"):
        api_server.kubectl(*apply, "--field-manager=next", given=json.dumps(deployment))
    api_server.kubectl("delete", "deployment", "quarrel", "-n", "default")
