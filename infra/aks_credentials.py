"""The kubeconfig of an AKS cluster, out of what Azure hands over."""

import base64
import binascii
import shutil
from collections.abc import Sequence
from typing import Any

import yaml

from infra.cluster import ClusterError

KUBELOGIN = "kubelogin"
"""The program that such a kubeconfig runs for a token (https://azure.github.io/kubelogin)."""

LOGIN = "azurecli"
"""How it logs in: as `az login` did. $AAD_LOGIN_METHOD, which it heeds first, names another way,
such as workloadidentity in a pipeline. Azure's own choice, devicecode, asks a person, and under
Pulumi nobody would see the question."""


def require_kubelogin() -> None:
    """Raise ClusterError where kubelogin is not on PATH."""
    if shutil.which(KUBELOGIN) is None:
        raise ClusterError(
            "kubelogin is not on PATH, and without local accounts (config localAccounts) nobody "
            "gets onto the cluster but by it: install it with `az aks install-cli`, or from "
            "https://azure.github.io/kubelogin"
        )


def decoded(kubeconfigs: Sequence[Any]) -> str:
    """The text of the first of the kubeconfigs, whose `value` is base64. Raises ClusterError."""
    try:
        return base64.b64decode(kubeconfigs[0].value, validate=True).decode()
    except (IndexError, binascii.Error, UnicodeDecodeError):
        raise ClusterError(
            "Azure gave no kubeconfig for the cluster: `az aks get-credentials` may tell why"
        ) from None


def without_questions(kubeconfig: str) -> str:
    """The kubeconfig with every kubelogin in it logging in without a person's help."""
    config = yaml.safe_load(kubeconfig)
    for entry in config.get("users") or []:
        run = (entry.get("user") or {}).get("exec") or {}
        if run.get("command") == KUBELOGIN:
            run["args"] = [*_without_login(run.get("args") or []), "--login", LOGIN]
    return yaml.safe_dump(config, sort_keys=False)


def _without_login(args: Sequence[str]) -> list[str]:
    kept: list[str] = []
    given = iter(args)
    for arg in given:
        if arg in ("--login", "-l"):
            next(given, None)
        elif not arg.startswith("--login="):
            kept.append(arg)
    return kept
