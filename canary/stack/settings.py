"""The config values that move a split: checked, handed to an update, and taken back."""

import copy
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from canary.errors import CanaryError
from canary.overview import StackView
from canary.stack.cli import Cli
from canary.stack.configured import CANARY_WEIGHT, RAISE_MOST, SERVICES, as_text
from kube import lazily


class Settings:
    """The stack's config: which values move the split, and how they are written."""

    def __init__(self, cli: Cli, path: Path, known: StackView, weight: float) -> None:
        self._cli, self._path, self._known, self.weight = cli, path, known, weight
        try:
            self._former = path.read_bytes() if path.exists() else None
        except OSError as error:
            raise CanaryError(f"{path}: {error.strerror}") from None

    def check(self) -> None:
        """Raise CanaryError where the weight cannot be set."""
        split, known = self._known.split, self._known
        if len(split.versions) != 2:
            raise CanaryError(
                f"{split.service} has {len(split.versions)} versions: set their weights with "
                f"`pulumi config set --path {SERVICES}.{split.service}.weights.VERSION PERCENT`"
            )
        if known.configured is None:
            raise CanaryError(f"{known.deployed.settings} cannot be used: {known.problem}")
        if SERVICES in known.values.secret and not self._follows:
            raise CanaryError(
                "config services is a secret, whose weights this command does not change"
            )
        self._refuse_others_that_move()
        before = known.weights.get(split.canary, 0)
        too_much = known.values.too_much(before, self.weight)
        if too_much:
            raise CanaryError(
                f"{too_much}: go by {before + known.values.max_weight_step:g}, or {RAISE_MOST}"
            )

    @property
    def _follows(self) -> bool:
        values = self._known.values
        return values.follows_canary_weight(values.declared(self._known.split))

    def _refuse_others_that_move(self) -> None:
        values, own = self._known.values, self._known.values.declared(self._known.split)
        others = [
            name for name in values.services if name != own and values.follows_canary_weight(name)
        ]
        if self._follows and others:
            raise CanaryError(
                f"canaryWeight moves {' and '.join(sorted([own, *others]))} alike: give "
                f"{own} weights of its own, under {SERVICES}.{own}.weights"
            )

    @property
    def given(self) -> list[str]:
        """What has `pulumi up` write them before it begins: a command of its own takes longer."""
        words = [] if self._follows else ["--config-path"]
        for path, percent in self.changes.items():
            words += ["--config", f"{self._key(path)}={percent:g}"]
        return words

    @property
    def changes(self) -> dict[tuple[str, ...], float]:
        """The percents that are set, by where they are in the config."""
        split = self._known.split
        if self._follows:
            return {(CANARY_WEIGHT,): self.weight}
        service = self._known.values.declared(split)
        rest = lazily.module("dynamic.splits").rest(self.weight)
        return {
            (SERVICES, service, "weights", version.removeprefix(f"{service}-")): percent
            for version, percent in ((split.canary, self.weight), (split.baseline, rest))
        }

    def _key(self, path: tuple[str, ...]) -> str:
        return f"{self._known.deployed.project}:{'.'.join(path)}"

    def put_back(self, *others: "Settings") -> None:
        """Take back what these have set. Raises CanaryError.

        The file is as it was before, byte for byte, unless somebody else has changed it too.
        """
        paths = {path for each in (self, *others) for path in each.changes}
        before, now = (_config(content) for content in (self._former, _content(self._path)))
        project = self._known.deployed.project
        if (
            now is None
            or before is None
            or _without(now, project, paths) == _without(before, project, paths)
        ):
            self._write_former()
            return
        for path in paths:
            self._set_former(path, _at(before, project, path))

    def _set_former(self, path: tuple[str, ...], value: object) -> None:
        how = ["--path"] if len(path) > 1 else []
        if value is None:
            self._cli.ask("config", "rm", *how, self._key(path))
        else:
            self._cli.ask("config", "set", *how, self._key(path), as_text(value))

    def _write_former(self) -> None:
        new = self._path.with_name(f".{self._path.name}.former")
        try:
            if self._former is None:
                self._path.unlink(missing_ok=True)
            else:
                # A file that is half written would have lost the stack's salt.
                new.write_bytes(self._former)
                new.replace(self._path)
        except OSError as error:
            raise CanaryError(
                f"{self._path} could not be put back: {error.strerror}; see what it says before "
                "the next pulumi up"
            ) from None


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _config(content: bytes | None) -> dict[str, Any] | None:
    """The settings' values; None of a file that is none."""
    if content is None:
        return {}
    try:
        found = yaml.safe_load(content)
    except yaml.YAMLError:
        return None
    values = found.get("config") if isinstance(found, dict) else None
    return values if isinstance(values, dict) else None


def _at(values: dict[str, Any], project: str, path: tuple[str, ...]) -> object:
    holder, key = _found(values, project, path)
    return holder.get(key)


def _without(
    values: dict[str, Any], project: str, paths: Iterable[tuple[str, ...]]
) -> dict[str, str]:
    """The values that are at none of the paths, as texts: pulumi writes 7 as "7"."""
    left = copy.deepcopy(values)
    for path in paths:
        holder, key = _found(left, project, path)
        holder.pop(key, None)
    return {key: as_text(value) for key, value in left.items()}


def _found(
    values: dict[str, Any], project: str, path: tuple[str, ...]
) -> tuple[dict[str, Any], str]:
    """What a path's value is in, and by which key; an empty one where there is no such thing."""
    first, *rest = path
    *parents, last = [f"{project}:{first}", *rest]
    found: Any = values
    for key in parents:
        found = found.get(key) if isinstance(found, dict) else None
    return (found if isinstance(found, dict) else {}), last
