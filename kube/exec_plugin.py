"""The exec plugin of a kubeconfig's user, run for a credential by the official client's own code.

What it says is brought into the form of a user's entry.
(https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins)
"""

import sys
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kube import forms, lazily
from kube.errors import KubeconfigError
from kube.merged import Entry

_CLUSTER_KEYS = (
    "server",
    "tls-server-name",
    "insecure-skip-tls-verify",
    "certificate-authority-data",
    "proxy-url",
    "disable-compression",
)
_EXTENSION = "client.authentication.k8s.io/exec"


def credential(run: Entry, cluster: Entry, where: str) -> Entry:
    """What the plugin gives: a token, a client certificate with its key, or both.

    Raises KubeconfigError, with the entry's installHint where the program is not there.
    """
    official = _official()
    where = f"{where} gives no credential"
    if forms.mode_of(run) == "Always" and not sys.stdin.isatty():
        raise KubeconfigError(f"{where}: its exec plugin asks at a terminal, and there is none")
    told = (
        official.ConfigNode("cluster", _told(cluster, where))
        if run.get("provideClusterInfo")
        else None
    )
    filled = {
        **run,
        "env": [{**each, "value": each.get("value") or ""} for each in run.get("env") or []],
    }
    try:
        status = official.ExecProvider(official.ConfigNode("exec", filled), None, told).run()
    except OSError as error:
        raise KubeconfigError(
            f"{where}: its exec plugin {run['command']} cannot be run: {error.strerror}{_hint(run)}"
        ) from None
    except official.ConfigException as error:
        raise KubeconfigError(f"{where}: {str(error)[:300]}") from None
    except UnicodeError:
        raise KubeconfigError(f"{where}: its exec plugin prints what is no text") from None
    except (TypeError, RecursionError):
        raise KubeconfigError(f"{where}: its exec plugin prints no JSON object") from None
    return _as_user(status, where)


def _official() -> Any:
    """The official client's module, whose import takes a while."""
    return lazily.module("kubernetes.config.kube_config")


def _told(cluster: Entry, where: str) -> dict[str, Any]:
    """What a plugin is told of the cluster, for which files are read."""
    told = {key: cluster[key] for key in _CLUSTER_KEYS if cluster.get(key)}
    if cluster.get("certificate-authority"):
        try:
            content = Path(cluster["certificate-authority"]).read_bytes()
        except OSError as error:
            raise KubeconfigError(
                f"{where}: its certificate-authority cannot be read: {error.strerror}"
            ) from None
        told["certificate-authority-data"] = b64encode(content).decode()
    for extension in cluster.get("extensions") or []:
        if extension.get("name") == _EXTENSION:
            told["config"] = extension.get("extension")
    return told


def _hint(run: Entry) -> str:
    hint = " ".join(str(run.get("installHint") or "").split())
    return f"; {hint[:300]}" if hint else ""


def _as_user(status: Any, where: str) -> Entry:
    if not isinstance(status, Mapping):
        raise KubeconfigError(f"{where}: its exec plugin gives no status")
    token = status.get("token")
    certificate, key = status.get("clientCertificateData"), status.get("clientKeyData")
    if not all(isinstance(each or "", str) for each in (token, certificate, key)):
        raise KubeconfigError(f"{where}: its exec plugin gives a malformed status")
    if bool(certificate) != bool(key):
        raise KubeconfigError(f"{where}: its exec plugin gives a certificate or a key, not both")
    if not token and not certificate:
        raise KubeconfigError(f"{where}: its exec plugin gives neither token nor certificate")
    found: Entry = {"token": token} if token else {}
    if certificate and key:
        found["client-certificate-data"] = b64encode(certificate.encode()).decode()
        found["client-key-data"] = b64encode(key.encode()).decode()
    return found
