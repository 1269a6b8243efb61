"""An API server's refusals and a network's failures as one clear line each."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kubernetes.client import ApiException
from kubernetes.config import ConfigException
from urllib3 import exceptions
from urllib3.exceptions import HTTPError

from local.standins.kubernetes import objects
from local.standins.kubernetes.errors import (
    ExistsError,
    ForbiddenError,
    NoAnswerError,
    NoNamespaceError,
    PluginError,
    UnreachableError,
)
from local.standins.kubernetes.values import Object


@contextmanager
def of_connecting(server: str) -> Iterator[None]:
    """All that goes wrong while a cluster is first talked to makes it unreachable."""
    try:
        with of_requests(server):
            yield
    except UnreachableError:
        raise
    except PluginError as error:
        raise UnreachableError(_unreachable(server, str(error))) from error
    except (ConfigException, OSError, ValueError, KeyError, TypeError) as error:
        why = f"{type(error).__name__}: {_one_line(str(error))}"
        text = _unreachable(server, f"its kubeconfig cannot be used ({why})")
        raise UnreachableError(text) from error


@contextmanager
def of_requests(server: str, obj: Object | None = None) -> Iterator[None]:
    """Turn the client's exceptions into PluginErrors; `obj` is what the request is about."""
    try:
        yield
    except ApiException as error:
        raise _refused(server, error, obj) from error
    except HTTPError as error:
        raise NoAnswerError(_unreachable(server, _network_failure(error))) from error


def _unreachable(server: str, why: str) -> str:
    """In the words of pulumi-kubernetes, with the address and what to do."""
    return (
        f"configured Kubernetes cluster is unreachable: {server}: {why}; "
        "is the cluster up, and the kubeconfig its current one?"
    )


def _network_failure(error: Exception) -> str:
    """What the network or TLS says, without the client's wrapping."""
    reason: Any = getattr(error, "reason", None) or error
    if isinstance(reason, exceptions.NewConnectionError | exceptions.ConnectTimeoutError):
        cause = reason.__cause__ or reason.__context__
        name = isinstance(reason, exceptions.NameResolutionError)
        if name:
            return "its name cannot be resolved"
        if isinstance(reason, exceptions.NewConnectionError) and isinstance(cause, OSError):
            return _one_line(cause.strerror or str(cause)).lower()
        return "no answer to a connection within 5 s"
    if isinstance(reason, exceptions.ReadTimeoutError):
        return "no answer within 60 s"
    text = _one_line(str(reason))
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return f"its certificate is not one that the kubeconfig trusts ({_tls_reason(text)})"
    return text


def _tls_reason(text: str) -> str:
    return text.partition("certificate verify failed: ")[2].partition(" (_ssl")[0] or "TLS"


def _refused(server: str, error: Any, obj: Object | None) -> PluginError:
    """An answer that is no success, as the error of its kind."""
    status = _status(error.body)
    message = _one_line(str(status.get("message") or error.reason or "no reason given"))
    what = f"{objects.described(obj)}: " if obj else ""
    if error.status == 401:
        why = "it does not accept the kubeconfig's credentials (401)"
        return UnreachableError(_unreachable(server, why))
    if error.status == 403:
        return ForbiddenError(f"{what}{message}")
    if error.status == 404 and _is_about_namespace(status):
        return NoNamespaceError(f"{what}{message}")
    if error.status == 409 and status.get("reason") == "AlreadyExists":
        return ExistsError(f"{what}{message}")
    causes = (status.get("details") or {}).get("causes") or []
    if error.status == 409 and any(c.get("reason") == "FieldManagerConflict" for c in causes):
        return PluginError(f"{what}{_conflict(causes)}")
    return PluginError(f"{what}{message} ({error.status})")


def _is_about_namespace(status: Object) -> bool:
    return bool((status.get("details") or {}).get("kind") == "namespaces")


def _conflict(causes: list[Object]) -> str:
    """Whose fields a server-side apply would change: `.spec.replicas is managed by "kubectl"`."""
    owned = [
        f"{cause.get('field')} is managed by {_manager(str(cause.get('message')))}"
        for cause in causes
    ]
    return (
        "; ".join(owned)
        + " and has another value there. Take the value into the program, or take the field over "
        'with the annotation pulumi.com/patchForce: "true"'
    )


def _manager(message: str) -> str:
    """The manager in `conflict with "kubectl-edit" using v1`."""
    return message.removeprefix("conflict with ").partition(" using ")[0]


def _status(body: Any) -> Object:
    """The Status object of an answer, empty where the body is none."""
    try:
        content = json.loads(body)
    except (TypeError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _one_line(text: str) -> str:
    return " ".join(text.split())
