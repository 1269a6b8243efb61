"""The provider's configuration: the options of `kubernetes.Provider`, and the environment."""

import os
from dataclasses import dataclass
from typing import Any

REFUSED = {
    "cluster": "name a context of the kubeconfig instead (`context`)",
    "renderYamlToDirectory": "it only applies objects to a cluster",
    "alwaysRender": "it only applies objects to a cluster",
    "helmReleaseSettings": "it does not know Helm",
}
"""Options of the real plugin that this one does not have, and what to do without them."""

_ENVIRONMENT = {
    "deleteUnreachable": "PULUMI_K8S_DELETE_UNREACHABLE",
    "skipUpdateUnreachable": "PULUMI_K8S_SKIP_UPDATE_UNREACHABLE",
    "enableConfigMapMutable": "PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE",
    "enableSecretMutable": "PULUMI_K8S_ENABLE_SECRET_MUTABLE",
    "enablePatchForce": "PULUMI_K8S_ENABLE_PATCH_FORCE",
    "enableServerSideApply": "PULUMI_K8S_ENABLE_SERVER_SIDE_APPLY",
    "upsertExistingObjects": "PULUMI_K8S_UPSERT_EXISTING_OBJECTS",
}


@dataclass(frozen=True, repr=False)  # no repr: the kubeconfig is a secret
class Settings:
    """What is set, by the provider's options first and the environment second."""

    kubeconfig: str = ""
    """The content of a kubeconfig or its path; empty for the ambient one."""
    context: str = ""
    namespace: str = ""
    cluster_identifier: str = ""
    delete_unreachable: bool = False
    skip_update_unreachable: bool = False
    config_map_mutable: bool = False
    secret_mutable: bool = False
    patch_force: bool = False
    upsert: bool = False

    @property
    def mutable_kinds(self) -> tuple[str, ...]:
        """The kinds whose data is changed in place although the default is to replace."""
        kinds = {"ConfigMap": self.config_map_mutable, "Secret": self.secret_mutable}
        return tuple(kind for kind, mutable in kinds.items() if mutable)


def read(config: dict[str, Any]) -> Settings:
    """The settings that a provider's configuration and this process' environment give."""
    return Settings(
        kubeconfig=str(config.get("kubeconfig") or ""),
        context=str(config.get("context") or ""),
        namespace=str(config.get("namespace") or ""),
        cluster_identifier=str(config.get("clusterIdentifier") or ""),
        delete_unreachable=_flag(config, "deleteUnreachable"),
        skip_update_unreachable=_flag(config, "skipUpdateUnreachable"),
        config_map_mutable=_flag(config, "enableConfigMapMutable"),
        secret_mutable=_flag(config, "enableSecretMutable"),
        patch_force=_flag(config, "enablePatchForce"),
        upsert=_flag(config, "upsertExistingObjects"),
    )


def refusals(config: dict[str, Any]) -> dict[str, str]:
    """The options that are set and not supported, each with one line that says so."""
    found = {
        option: f"{option} is not supported by this stand-in of the kubernetes plugin: {instead}"
        for option, instead in REFUSED.items()
        if config.get(option) not in (None, "", False, "false")
    }
    if not _flag(config, "enableServerSideApply", default=True):
        found["enableServerSideApply"] = (
            "enableServerSideApply cannot be false: this stand-in of the kubernetes plugin writes "
            "by server-side apply alone"
        )
    return found


def _flag(config: dict[str, Any], option: str, *, default: bool = False) -> bool:
    """A switch; the SDK sends it as JSON text."""
    value = config.get(option)
    if value is None:
        value = os.environ.get(_ENVIRONMENT[option])
    return default if value is None else str(value).lower() == "true"
