"""A cluster whose tables are objects: a real API server with a namerd's admin port behind it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from tests.engine.tables import dtab
from tests.harness.apiserver import ApiServer
from tests.provider_host import CallError

MESH = "dtab-mesh"
SERVICE = f"{MESH}/namerd"
OBJECTS = f"/apis/l5d.io/v1alpha1/namespaces/{MESH}/dtabs"


@dataclass
class Cluster:
    """An API server, and its administrator's kubeconfig."""

    api: ApiServer
    admin: dict[str, Any]

    @property
    def where(self) -> str:
        return f"the cluster at {self.api.url}"

    @property
    def namerd(self) -> str:
        return f"namerd (service {SERVICE} of {self.where})"

    def kubeconfig(
        self, user: dict[str, Any] | None = None, **cluster: str | bool | None
    ) -> dict[str, Any]:
        """The administrator's with another user, or with other settings of the cluster."""
        config: dict[str, Any] = json.loads(json.dumps(self.admin))
        if user is not None:
            config["users"][0]["user"] = user
        settings = config["clusters"][0]["cluster"]
        for key, value in cluster.items():
            settings.pop(key.replace("_", "-"), None)
            if value is not None:
                settings[key.replace("_", "-")] = value
        return config

    def service_account(self, name: str) -> str:
        """A token of a new service account that may do everything."""
        self.api.kubectl("create", "serviceaccount", name, "--namespace", MESH)
        account = f"--serviceaccount={MESH}:{name}"
        self.api.kubectl(
            "create", "clusterrolebinding", name, "--clusterrole=cluster-admin", account
        )
        self.api.wait_until_allowed(f"system:serviceaccount:{MESH}:{name}", "*", "*")
        return self.api.service_account_token(MESH, name)

    def inputs(
        self,
        kubeconfig: dict[str, Any] | str | None,
        weight: int = 0,
        more: dict[str, Any] | None = None,
        **namerd: str,
    ) -> dict[str, Any]:
        """The inputs of a Dtab; others by `more`, and what says how to reach namerd."""
        reached = {"cluster": "here", "service": SERVICE, **namerd}
        if kubeconfig is not None:
            given = kubeconfig if isinstance(kubeconfig, str) else yaml.safe_dump(kubeconfig)
            reached["kubeconfig"] = given
        return dtab("", weight, **{"namerd": reached, "resource": RESOURCE, **(more or {})})

    def table(self, name: str = "internal") -> str | None:
        """A table's text as it is kept, or None."""
        found = self.object(name)
        if found is None:
            return None
        return ";".join(f"{each['prefix']}=>{each['dst']}" for each in found["dentries"])

    def object(self, name: str = "internal") -> dict[str, Any] | None:
        where = ("dtabs.l5d.io", name, "--namespace", MESH, "--ignore-not-found", "-o", "json")
        shown = self.api.kubectl("get", *where)
        found: dict[str, Any] | None = json.loads(shown) if shown else None
        return found

    def edit(self, entries: list[tuple[str, str]], manager: str = "kubectl-edit") -> None:
        """Change the entries as `kubectl edit` does: everything else stays."""
        listed = [{"prefix": prefix, "dst": dst} for prefix, dst in entries]
        self.api.kubectl(
            *("patch", "dtabs.l5d.io", "internal", "--namespace", MESH, "--type=merge"),
            *("-p", json.dumps({"dentries": listed}), f"--field-manager={manager}"),
        )

    def replace(self, entries: list[tuple[str, str]]) -> None:
        """Change the whole object as namerd's own API does: annotations are dropped."""
        found = self.object()
        assert found is not None
        metadata = {key: found["metadata"][key] for key in ("name", "namespace", "resourceVersion")}
        listed = [{"prefix": prefix, "dst": dst} for prefix, dst in entries]
        changed = {**found, "metadata": metadata, "dentries": listed}
        given = json.dumps(changed)
        self.api.kubectl("replace", "--field-manager=kubectl", "-f", "-", given=given)

    def make(self, entries: list[tuple[str, str]]) -> None:
        """Make a table that nobody has marked."""
        listed = [{"prefix": prefix, "dst": dst} for prefix, dst in entries]
        metadata = {"name": "internal", "namespace": MESH}
        made = {"apiVersion": "l5d.io/v1alpha1", "kind": "DTab", "metadata": metadata}
        given = json.dumps({**made, "dentries": listed})
        self.api.kubectl("create", "--field-manager=kubectl-create", "-f", "-", given=given)

    def clear(self) -> None:
        """Delete all tables."""
        self.api.kubectl("delete", "dtabs.l5d.io", "--all", "--namespace", MESH)


RESOURCE = "organization/urn:pulumi:dev::shop::pulumi-python:dynamic/namerd:Dtab::internal"


def refusal(act: Callable[[], object]) -> str:
    """What an operation that must fail says."""
    with pytest.raises(CallError) as refused:
        act()
    return str(refused.value)
