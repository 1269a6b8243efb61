"""A cluster's credentials, which are those of the Kubernetes that stands in for every cluster."""

import base64
from typing import Any

import yaml

from tests.standins.azure_native.cloud import Cloud, Object
from tests.standins.azure_native.errors import ArmError
from tests.standins.azure_native.kinds import CLUSTER

SERVER_ID = "6dae42f8-4368-4678-94ff-3960e28e3630"
"""The application that AKS's API servers are in Entra
(https://azure.github.io/kubelogin/concepts/aks.html)."""

_OPERATIONS = {
    "azure-native:containerservice:listManagedClusterAdminCredentials": "clusterAdmin",
    "azure-native:containerservice:listManagedClusterUserCredentials": "clusterUser",
}


def listed(cloud: Cloud, token: str, args: Object) -> Object:
    """The result of one of the two functions; raises ArmError as Azure refuses them."""
    if token not in _OPERATIONS:
        raise ArmError(501, "NotImplemented", f"{token} is not in this stand-in of azure-native")
    id_ = CLUSTER.id_of(args)
    cloud.note("POST", f"{id_}/{token.rpartition(':')[2]}", args)
    fault = cloud.fault(CLUSTER.short, "credentials")
    if fault:
        raise fault
    cluster = cluster_of(cloud, args)
    name = _OPERATIONS[token]
    if name == "clusterAdmin" and cluster.get("disableLocalAccounts"):
        raise ArmError(
            400,
            "BadRequest",
            "Getting static credential is not allowed because this cluster is set to disable local "
            "accounts.",
        )
    return {"kubeconfigs": [{"name": name, "value": _kubeconfig(cloud, name, args)}]}


def cluster_of(cloud: Cloud, args: Object) -> Object:
    """A cluster by its names; an ArmError where there is none."""
    id_ = CLUSTER.id_of(args)
    found = cloud.resources.get(id_)
    if found is None:
        raise ArmError(404, "ResourceNotFound", f"The Resource '{id_}' was not found.")
    return {**found, "id": id_}


def _kubeconfig(cloud: Cloud, name: str, args: Object) -> str:
    given = cloud.kubeconfig_of(CLUSTER.id_of(args))
    config: dict[str, Any] = yaml.safe_load(given.read_text())
    if name == "clusterUser":
        for entry in config["users"]:
            entry["user"] = {"exec": _kubelogin(args.get("format", "azure"))}
    return base64.b64encode(yaml.safe_dump(config).encode()).decode()


def _kubelogin(format_: str) -> Object:
    """What Azure has a kubeconfig run in the format `exec`; the older one is not to be had."""
    if format_ != "exec":
        raise ArmError(
            400, "InvalidParameter", f"The value of parameter format is invalid: {format_}."
        )
    return {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": "kubelogin",
        "args": [
            "get-token",
            "--login",
            "devicecode",
            "--server-id",
            SERVER_ID,
            "--client-id",
            "80faf920-1908-4b52-b5ef-a8e7bedfc67a",
            "--tenant-id",
            "00000000-0000-0000-0000-000000000000",
            "--environment",
            "AzurePublicCloud",
        ],
        "env": None,
        "provideClusterInfo": False,
    }
