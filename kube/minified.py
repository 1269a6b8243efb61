"""Finding a kubeconfig and cutting it down to the one context that is used.

What is left out never reaches the stack's state, so the credentials of other clusters stay where
they are. Paths to key and certificate files are made absolute, as the state is read from anywhere.
"""

import os
from pathlib import Path
from typing import Any

import yaml

from kube.errors import KubeconfigError

_LONGEST_PATH = 200
"""Characters. What is longer may be base64, or what else holds a key, and is not to be shown."""

_FILE_KEYS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")


def load(config: str, context: str) -> str:
    """The kubeconfig with only `context` (empty: its current one) in it, as YAML text.

    `config` is a path or the content itself; empty stands for $KUBECONFIG or ~/.kube/config.
    Raises KubeconfigError for a missing or malformed file and for a context that is not there.
    """
    if _is_content(config):
        return _cut_down(config, context, "config kubeconfig", None)
    if len(config) > _LONGEST_PATH:
        raise KubeconfigError(
            f"config kubeconfig, {len(config)} characters in one line, is neither a path nor YAML: "
            "give a path, or the content as it is"
        )
    try:
        path = _path(config)
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text, or no such path"
        raise KubeconfigError(
            f"cannot read the kubeconfig {config or _path('')}: {reason}; "
            "set its path with `pulumi config set kubeconfig …`, or $KUBECONFIG"
        ) from None
    return _cut_down(text, context, str(path), path.absolute().parent)


def _cut_down(text: str, context: str, where: str, base: Path | None) -> str:
    try:
        return _minified(_parsed(text, where), context, where, base)
    except (TypeError, AttributeError, ValueError, RuntimeError):
        raise KubeconfigError(f"{where} is no kubeconfig: an entry of it is malformed") from None


def _is_content(config: str) -> bool:
    return "\n" in config.strip() or config.lstrip().startswith("{")


def _path(config: str) -> Path:
    if config:
        return Path(config).expanduser()
    ambient = [part for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    if len(ambient) > 1:
        raise KubeconfigError(
            "$KUBECONFIG names several files: choose one with `pulumi config set kubeconfig …`"
        )
    return Path(ambient[0] if ambient else "~/.kube/config").expanduser()


def _parsed(text: str, where: str) -> dict[str, Any]:
    try:
        parsed = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        raise KubeconfigError(f"{where} is no kubeconfig: not YAML{place}") from None
    if not isinstance(parsed, dict) or not isinstance(parsed.get("contexts"), list):
        raise KubeconfigError(f"{where} is no kubeconfig: it has no list `contexts`")
    return parsed


def _minified(config: dict[str, Any], context: str, where: str, base: Path | None) -> str:
    name = context or config.get("current-context") or ""
    names = [str(entry.get("name")) for entry in config["contexts"] if isinstance(entry, dict)]
    if name not in names:
        raise KubeconfigError(
            f"{where} has no context {name!r}: it has {', '.join(names) or 'none'}; "
            "choose one with `pulumi config set kubeContext …`"
        )
    used = _entry(config, "contexts", name, where)
    body = used.get("context") or {}
    cluster = _entry(config, "clusters", body.get("cluster"), where)
    users = [_entry(config, "users", body["user"], where)] if body.get("user") else []
    for holder in (cluster.get("cluster") or {}, *(user.get("user") or {} for user in users)):
        for key in _FILE_KEYS:
            if holder.get(key):
                holder[key] = _absolute(Path(holder[key]).expanduser(), base, f"{where}: {key}")
    minified = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [cluster],
        "contexts": [used],
        "current-context": name,
        "users": users,
    }
    return yaml.safe_dump(minified, sort_keys=False)


def _absolute(path: Path, base: Path | None, where: str) -> str:
    if base is None and not path.is_absolute():
        raise KubeconfigError(
            f"{where} is a relative path, and content lies in no folder: make it absolute, or put "
            "what the file holds into the kubeconfig (`kubectl config view --flatten --raw`)"
        )
    return str((base or Path()) / path)


def _entry(config: dict[str, Any], kind: str, name: str | None, where: str) -> dict[str, Any]:
    for entry in config.get(kind) or []:
        if isinstance(entry, dict) and entry.get("name") == name:
            return entry
    raise KubeconfigError(f"{where} has no entry {name!r} in {kind!r}, which its context names")
