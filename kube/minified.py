"""A kubeconfig cut down to the one context that is used.

What is left out never reaches the stack's state, so the credentials of other clusters stay where
they are. Paths of files and of an exec plugin become absolute, as the state is read from anywhere.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from kube import forms, merged
from kube.errors import KubeconfigError
from kube.merged import Entry, Merged

_CLUSTER_FILES = ("certificate-authority",)
_USER_FILES = ("client-certificate", "client-key", "tokenFile")


@dataclass(frozen=True)
class Minified:
    """One context with its cluster and its user, checked as kubectl checks them."""

    where: str
    """What messages call the kubeconfig."""
    name: str
    """The context's."""
    context: Entry
    cluster: Entry
    user: Entry | None
    """None where the context names none, which serves a server without TLS only."""

    @property
    def config(self) -> dict[str, Any]:
        """As a kubeconfig."""
        user = self.context.get("user")
        users = [{"name": user, "user": self.user}] if self.user is not None else []
        # In kubectl's order, which former releases kept: another order would be an update of each
        # stack's provider for nothing.
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"cluster": self.cluster, "name": self.context["cluster"]}],
            "contexts": [{"context": self.context, "name": self.name}],
            "current-context": self.name,
            "users": users,
        }


def load(config: str, context: str) -> str:
    """The kubeconfig with only `context` (empty: its current one) in it, as YAML text.

    `config` is a path or the content itself; empty stands for $KUBECONFIG or ~/.kube/config.
    Raises KubeconfigError.
    """
    return yaml.safe_dump(minified(config, context).config, sort_keys=False)


def minified(given: str | None, context: str | None) -> Minified:
    """The context of a kubeconfig, which may be its path, its content or empty: see `load`.

    Raises KubeconfigError for a missing or malformed file, for a context that is not there, and for
    what kubectl would not take either.
    """
    found = merged.read(given)
    name = context or found.current_context
    if name not in found.entries["contexts"]:
        names = ", ".join(found.entries["contexts"]) or "none"
        raise KubeconfigError(
            f"{found.where} has no context {name!r}: it has {names}; "
            "choose one with `pulumi config set kubeContext …`"
        )
    used = found.entries["contexts"][name].value
    forms.check_context(used, found.where)
    cluster = _entry(found, "clusters", used.get("cluster"))
    user = _entry(found, "users", used["user"]) if used.get("user") else None
    forms.check_cluster(cluster, found.where)
    forms.check_user(user or {}, found.where)
    if str(cluster.get("server")).startswith("https:"):
        forms.check_credential(user or {}, found.where)
    return Minified(found.where, name, used, cluster, user)


def _entry(found: Merged, kind: str, name: str | None) -> Entry:
    """What an entry holds, with absolute paths."""
    body = found.entries[kind].get(name or "")
    if body is None:
        raise KubeconfigError(
            f"{found.where} has no entry {name!r} in {kind!r}, which its context names"
        )
    keys = _CLUSTER_FILES if kind == "clusters" else _USER_FILES
    entry = {
        key: _absolute(value, body.folder, f"{found.where}: {key}") if key in keys else value
        for key, value in body.value.items()
    }
    run = entry.get("exec")
    # A bare name is looked for on $PATH.
    if isinstance(run, dict) and "/" in str(run.get("command")):
        command = _absolute(run["command"], body.folder, f"{found.where}: exec command")
        entry["exec"] = {**run, "command": command}
    return entry


def _absolute(path: Any, folder: Path | None, where: str) -> Any:
    if not isinstance(path, str) or not path or Path(path).is_absolute():
        return path
    if folder is None:
        raise KubeconfigError(
            f"{where} is a relative path, and content lies in no folder: make it absolute, or put "
            "what the file holds into the kubeconfig (`kubectl config view --flatten --raw`)"
        )
    return str(folder / path)
