"""The kubeconfig: where it is, and which cluster and namespace its active context means.

Reading it for more than that is the official client's work (client.py).
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.standins.kubernetes.errors import UnreachableError
from local.standins.kubernetes.settings import Settings


@dataclass(frozen=True)
class Active:
    """The cluster that a kubeconfig's active context means."""

    server: str
    namespace: str
    """The context's default namespace, empty where it has none."""
    cluster: dict[str, Any]
    """The kubeconfig's whole entry of the cluster, by which pulumi-kubernetes tells clusters
    apart."""


def active(settings: Settings) -> Active:
    """Read the active context; raises UnreachableError where there is none to be had."""
    where, documents = _documents(settings)
    contexts, clusters = _entries(documents, "contexts"), _entries(documents, "clusters")
    name = settings.context or next(
        (d["current-context"] for d in documents if d.get("current-context")), ""
    )
    if not name:
        raise UnreachableError(f"{where} has no current context; name one with `context`")
    if name not in contexts:
        known = ", ".join(contexts) or "none"
        raise UnreachableError(f"{where} has no context {name!r}; it has {known}")
    context = contexts[name].get("context") or {}
    cluster = (clusters.get(context.get("cluster", "")) or {}).get("cluster") or {}
    if not cluster.get("server"):
        raise UnreachableError(f"{where}: the context {name!r} names no cluster with a server")
    return Active(cluster["server"], context.get("namespace") or "", cluster)


def paths(settings: Settings) -> list[Path]:
    """The files to read; none where the content itself is given."""
    if settings.kubeconfig:
        return [Path(settings.kubeconfig).expanduser()] if _is_path(settings.kubeconfig) else []
    ambient = os.environ.get("KUBECONFIG") or "~/.kube/config"
    listed = [Path(part).expanduser() for part in ambient.split(os.pathsep) if part]
    return [path for path in listed if path.is_file()] or listed


def _is_path(kubeconfig: str) -> bool:
    return "\n" not in kubeconfig.strip() and not kubeconfig.lstrip().startswith("{")


def _documents(settings: Settings) -> tuple[str, list[dict[str, Any]]]:
    """How messages call the kubeconfig, and what its files hold."""
    listed = paths(settings)
    if not listed:
        where = "the provider's kubeconfig"
        return where, [parsed(settings.kubeconfig, where)]
    where = ", ".join(map(str, listed))
    documents = []
    for path in listed:
        try:
            text = path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text"
            raise UnreachableError(f"no kubeconfig can be read at {path}: {why}") from error
        documents.append(parsed(text, str(path)))
    return where, documents


def parsed(text: str, where: str) -> dict[str, Any]:
    """The content of a kubeconfig; raises UnreachableError where it is none."""
    import yaml  # noqa: PLC0415 - only when needed

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        content = yaml.load(text, loader)  # noqa: S506 - a safe loader, the one in C if there is
    except yaml.YAMLError as error:
        # The error's own text quotes the line, which may be a key.
        mark = getattr(error, "problem_mark", None)
        line = f" (line {mark.line + 1})" if mark else ""
        raise UnreachableError(f"{where} is no valid YAML{line}") from None
    if not isinstance(content, dict):
        raise UnreachableError(f"{where} holds no kubeconfig")
    return content


def _entries(documents: list[dict[str, Any]], section: str) -> dict[str, dict[str, Any]]:
    """A section's entries by name; of two files that name the same, the first counts."""
    listed = [entry for d in reversed(documents) for entry in d.get(section) or []]
    return {entry["name"]: entry for entry in listed if isinstance(entry, dict) and "name" in entry}
