"""What a cluster's and a user's entry of a kubeconfig may hold.

What kubectl refuses is refused here too, and so is what kubectl does and this package does not: no
part of an identity is ever left out in silence. (client-go, clientcmd/validation.go)
"""

import binascii
import re
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from kube.errors import KubeconfigError
from kube.merged import Entry

EXEC_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")

_CONTEXT = {"cluster": str, "user": str, "namespace": str}
_CLUSTER = {
    "server": str,
    "tls-server-name": str,
    "insecure-skip-tls-verify": bool,
    "certificate-authority": str,
    "certificate-authority-data": bytes,
    "proxy-url": str,
    "disable-compression": bool,
    "extensions": list[Entry],
}
_USER = {
    "client-certificate": str,
    "client-certificate-data": bytes,
    "client-key": str,
    "client-key-data": bytes,
    "token": str,
    "tokenFile": str,
    "as": str,
    "as-uid": str,
    "as-groups": list[str],
    "as-user-extra": dict,
    "username": str,
    "password": str,
    "auth-provider": dict,
    "exec": dict,
}
_EXEC = {
    "command": str,
    "args": list[str],
    "env": list,
    "apiVersion": str,
    "installHint": str,
    "provideClusterInfo": bool,
    "interactiveMode": str,
}
_CREDENTIALS = (
    "token",
    "tokenFile",
    "client-certificate",
    "client-certificate-data",
    "username",
    "exec",
)
_MODES = ("Never", "IfAvailable", "Always")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
"""What no header's value may hold."""


def check_context(context: Entry, where: str) -> None:
    """Raise KubeconfigError where a context's entry is malformed."""
    _check_types(context, _CONTEXT, f"{where}: its context")


def check_cluster(cluster: Entry, where: str) -> None:
    """Raise KubeconfigError where a cluster's entry cannot be used."""
    where = f"{where}: its cluster"
    _check_types(cluster, _CLUSTER, where)
    _refuse_both(cluster, "certificate-authority", where)
    has_authority = cluster.get("certificate-authority") or cluster.get(
        "certificate-authority-data"
    )
    if has_authority and cluster.get("insecure-skip-tls-verify"):
        raise KubeconfigError(
            f"{where} has insecure-skip-tls-verify and a certificate-authority: remove one of them"
        )


def check_user(user: Entry, where: str) -> None:
    """Raise KubeconfigError where a user's entry cannot be used."""
    where = f"{where}: its user"
    _check_types(user, _USER, where)
    if user.get("auth-provider"):
        raise KubeconfigError(
            f"{where} has an auth-provider ({user['auth-provider'].get('name')!s:.40}), which is "
            "not supported: use an exec plugin, such as kubelogin or gke-gcloud-auth-plugin"
        )
    _check_certificate(user, where)
    if user.get("token") and (user.get("username") or user.get("password")):
        raise KubeconfigError(f"{where} has a token and a username or password: remove one of them")
    _check_impersonation(user, where)
    if user.get("exec"):
        _check_exec(user["exec"], where)


def check_credential(user: Entry, where: str) -> None:
    """Raise KubeconfigError where a user has nothing to show; kubectl would ask a person."""
    if not any(user.get(key) for key in _CREDENTIALS):
        raise KubeconfigError(
            f"{where}: its user has no credential: give a token, a client certificate, a password "
            "or an exec plugin"
        )


def _check_certificate(user: Entry, where: str) -> None:
    if not (user.get("client-certificate") or user.get("client-certificate-data")):
        return
    _refuse_both(user, "client-certificate", where)
    _refuse_both(user, "client-key", where)
    if not (user.get("client-key") or user.get("client-key-data")):
        raise KubeconfigError(f"{where} has a client-certificate and no client-key")


def _check_impersonation(user: Entry, where: str) -> None:
    extra = user.get("as-user-extra") or {}
    for name, values in extra.items():
        if not isinstance(name, str):
            raise KubeconfigError(f"{where}: as-user-extra has the key {name!s:.40}: quote it")
        _check_types({name: values}, {name: list[str]}, f"{where}: as-user-extra")
        _check_headers(name, values, f"{where}: as-user-extra")
    for key in ("as", "as-uid"):
        _check_headers(key, [user.get(key)], where)
    _check_headers("as-groups", user.get("as-groups"), where)
    if not user.get("as"):
        for key in ("as-uid", "as-groups", "as-user-extra"):
            if user.get(key):
                raise KubeconfigError(f"{where} has {key} and not `as`, the user to be")


def _check_headers(key: str, values: list[str | None] | None, where: str) -> None:
    """Raise KubeconfigError where a value cannot be a header's."""
    if any(_CONTROL.search(value) for value in values or [] if value):
        raise KubeconfigError(f"{where} has a line break or the like in {key}")


def _check_exec(run: Entry, where: str) -> None:
    where = f"{where}: exec"
    _check_types(run, _EXEC, where)
    if not run.get("command"):
        raise KubeconfigError(f"{where} has no command")
    if run.get("apiVersion") not in EXEC_VERSIONS:
        raise KubeconfigError(f"{where} has an apiVersion other than {' and '.join(EXEC_VERSIONS)}")
    _refuse_nul([run["command"], *(run.get("args") or [])], f"{where}: command and args")
    for variable in run.get("env") or []:
        if not isinstance(variable, dict) or not variable.get("name"):
            raise KubeconfigError(f"{where} has an entry without a name in env")
        _check_types(variable, {"name": str, "value": str}, f"{where}: env")
        _refuse_nul([variable["name"], variable.get("value") or ""], f"{where}: env")
        if "=" in variable["name"]:
            raise KubeconfigError(f"{where}: env has a name with '=' in it")
    if mode_of(run) not in _MODES:
        raise KubeconfigError(f"{where} needs an interactiveMode: {', '.join(_MODES)}")


def _refuse_nul(values: list[str], where: str) -> None:
    """Raise KubeconfigError for what no program can be given."""
    if any("\0" in value for value in values):
        raise KubeconfigError(f"{where} must hold no NUL character")


def mode_of(run: Entry) -> str:
    """An exec entry's interactiveMode; only the older version of the API has a default."""
    default = "IfAvailable" if run.get("apiVersion") == EXEC_VERSIONS[1] else ""
    return str(run.get("interactiveMode") or default)


def _refuse_both(entry: Entry, key: str, where: str) -> None:
    if entry.get(key) and entry.get(f"{key}-data"):
        raise KubeconfigError(f"{where} has {key} and {key}-data: remove one of them")


def _check_types(entry: Entry, types: Mapping[str, Any], where: str) -> None:
    for key, expected in types.items():
        value = entry.get(key)
        if value is not None and not _is_of(value, expected):
            raise KubeconfigError(f"{where} has a malformed {key}")


def _is_of(value: Any, expected: Any) -> bool:
    if expected is bytes:
        return isinstance(value, str) and _is_base64(value)
    if expected in (list[str], list[Entry]):
        kind = str if expected == list[str] else dict
        return isinstance(value, list) and all(isinstance(each, kind) for each in value)
    return isinstance(value, expected)


def _is_base64(value: str) -> bool:
    try:
        b64decode("".join(value.splitlines()), validate=True)
    except (binascii.Error, ValueError):
        return False
    return True
