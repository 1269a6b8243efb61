"""Kubeconfigs as they lie in files, merged as kubectl merges those of $KUBECONFIG.

The first file that has an entry of some name gives all of it; the first that says a current context
says it for all. Paths in an entry are relative to its own file. (client-go, clientcmd/loader.go)
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from kube.errors import KubeconfigError

_LONGEST_PATH = 200
"""Characters. What is longer may be base64, or what else holds a key, and is not to be shown."""

_DEEPEST = 64
"""Levels of lists and maps; a kubeconfig has eight, and its extensions what tools put there."""

Entry = dict[str, Any]

KINDS = {"clusters": "cluster", "users": "user", "contexts": "context"}
"""The lists of a kubeconfig, and the key of what each entry of them holds beside its name."""


@dataclass(frozen=True)
class Body:
    """What an entry holds, and the folder of its file; None for content, which lies in none."""

    value: Entry
    folder: Path | None


@dataclass
class Merged:
    """The entries of one or more kubeconfigs, by kind and name."""

    where: str
    """What messages call it."""
    current_context: str = ""
    entries: dict[str, dict[str, Body]] = field(
        default_factory=lambda: {kind: {} for kind in KINDS}
    )

    def add(self, config: Mapping[str, Any], where: str, folder: Path | None) -> None:
        """Add what is not there yet. Raises KubeconfigError."""
        self.current_context = self.current_context or _text(config.get("current-context"))
        for kind in KINDS:
            for name, value in _named(config, kind, where).items():
                self.entries[kind].setdefault(name, Body(value, folder))


def read(given: str | None) -> Merged:
    """A kubeconfig by its path or its content; empty or None for $KUBECONFIG or ~/.kube/config.

    Raises KubeconfigError.
    """
    if given and is_content(given):
        merged = Merged("the kubeconfig")
        merged.add(_parsed(given, merged.where), merged.where, None)
        return merged
    if given and len(given) > _LONGEST_PATH:
        raise KubeconfigError(
            f"config kubeconfig, {len(given)} characters in one line, is neither a path nor YAML: "
            "give a path, or the content as it is"
        )
    return _of_files([given] if given else _ambient())


def is_content(given: str) -> bool:
    """Whether a kubeconfig is given as its content, YAML or JSON, rather than as a path."""
    return "\n" in given.strip() or given.lstrip().startswith("{")


def _ambient() -> list[str]:
    named = [part for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    return list(dict.fromkeys(named)) or ["~/.kube/config"]


def _of_files(names: list[str]) -> Merged:
    """Those that are there, merged; one of them has to be."""
    merged = Merged(f"the kubeconfig {os.pathsep.join(names)}")
    missing: FileNotFoundError | None = None
    found = False
    for name in names:
        try:
            path = Path(name).expanduser()
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError as error:
            missing = error
            continue
        except (OSError, ValueError, RuntimeError) as error:
            raise _unreadable(f"the kubeconfig {name}", error) from None
        found = True
        where = f"the kubeconfig {path}"
        merged.add(_parsed(text, where), where, path.absolute().parent)
        if len(names) == 1:
            merged.where = where
    if missing and not found:
        raise _unreadable(merged.where, missing) from None
    return merged


def _unreadable(where: str, error: Exception) -> KubeconfigError:
    reason = error.strerror if isinstance(error, OSError) else "not a text, or no such path"
    return KubeconfigError(
        f"cannot read {where}: {reason}; "
        "set its path with `pulumi config set kubeconfig …`, or $KUBECONFIG"
    )


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML as Go's has it: what looks like a date is text. The C part reads ten times as fast."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _parsed(text: str, where: str) -> Entry:
    try:
        if _is_nested_too_deep(text):
            raise KubeconfigError(
                f"{where} is no kubeconfig: its lists and maps are nested more than {_DEEPEST} deep"
            )
        parsed = yaml.load(text, _Loader)  # noqa: S506  # it is a safe one
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        raise KubeconfigError(f"{where} is no kubeconfig: not YAML{place}") from None
    except (ValueError, KeyError, AttributeError, RecursionError):  # of what makes the values
        raise KubeconfigError(
            f"{where} is no kubeconfig: not YAML, as a number or another value in it is malformed"
        ) from None
    if parsed is None:
        return {}
    if not isinstance(parsed, dict):
        raise KubeconfigError(f"{where} is no kubeconfig: it has no list `contexts`")
    kind = parsed.get("kind") or "Config"
    if kind != "Config" or (parsed.get("apiVersion") or "v1") != "v1":
        raise KubeconfigError(f"{where} is no kubeconfig: it is not of the kind `Config`, v1")
    return parsed


def _is_nested_too_deep(text: str) -> bool:
    """Before it is loaded: some 100,000 levels would end the process in the C part."""
    depth = 0
    for event in yaml.parse(text, _Loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            return True
    return False


def _named(config: Mapping[str, Any], kind: str, where: str) -> dict[str, Entry]:
    """The bodies of one list's entries by name."""
    found: dict[str, Entry] = {}
    for name, value in _pairs(config.get(kind), KINDS[kind], where):
        if name in found:
            raise KubeconfigError(f"{where} has two entries {name!r} in {kind!r}")
        found[name] = value
    return found


def _pairs(listed: Any, key: str, where: str) -> Iterator[tuple[str, Entry]]:
    malformed = KubeconfigError(f"{where} is no kubeconfig: an entry of it is malformed")
    if not isinstance(listed or [], list):
        raise malformed
    for entry in listed or []:
        if not isinstance(entry, dict):
            raise malformed
        name, value = entry.get("name", ""), entry.get(key) or {}
        if not isinstance(name, str) or not isinstance(value, dict):
            raise malformed
        yield name, value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
