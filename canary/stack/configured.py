"""The weights that config values amount to: the stack's own, or those of the last commit."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from canary.analysis.limits import Limits
from canary.errors import CanaryError
from canary.stack.cli import output
from canary.stack.split import Split, Weights, by_version
from kube import lazily

if TYPE_CHECKING:
    from settings import Service

SHOW = ("config", "--json", "--show-secrets")
PROJECT_FILE = "Pulumi.yaml"

CANARY_WEIGHT = "canaryWeight"
MAX_WEIGHT_STEP = "maxWeightStep"
RAISE_MOST = f"raise it with `pulumi config set {MAX_WEIGHT_STEP} …` and `pulumi up`"
SERVICES = "services"


@dataclass(frozen=True)
class Values:
    """Config values as the program gets them: texts by their short keys."""

    texts: Mapping[str, str] = field(repr=False)
    secret: frozenset[str] = frozenset()

    @property
    def services(self) -> Mapping[str, Any]:
        """What is declared of each service, by name."""
        found = json.loads(self.texts[SERVICES])
        return found if isinstance(found, dict) else {}

    @property
    def max_weight_step(self) -> float:
        """By how much an update may raise a canary's weight at once, in percent.

        Raises CanaryError.
        """
        if MAX_WEIGHT_STEP in self.secret:  # which the program refuses too
            raise CanaryError(f"config {MAX_WEIGHT_STEP} is a secret and cannot be used")
        text = self.texts.get(MAX_WEIGHT_STEP, "")
        try:
            found: float = lazily.module("settings.readers").percent(0.01)(text)
        except ValueError as error:
            raise CanaryError(f"config {MAX_WEIGHT_STEP} is {text!r}: {error}") from None
        return found

    def too_much(self, before: float, weight: float) -> str:
        """That an update may not raise a weight by that much at once; empty where it may.

        A weight that does not rise is never too much, whatever the config says. Raises
        CanaryError.
        """
        if weight <= before:
            return ""
        most = self.max_weight_step
        if round(weight - before, 2) <= most:  # binary fractions: 0.3 - 0.1 is more than 0.2
            return ""
        return f"from {before:g} to {weight:g} is more than {MAX_WEIGHT_STEP}, {most:g}"

    def follows_canary_weight(self, service: str) -> bool:
        """Whether canaryWeight moves a service, which has no weights of its own."""
        given = self.services.get(service) or {}
        return len(given.get("versions") or ()) == 2 and "weights" not in given

    def declared(self, split: Split) -> str:
        """The service's name in the config, whose prefix the routing table may call otherwise."""
        prefix = split.ways[0].prefix
        named = [n for n, given in self.services.items() if given.get("prefix") == prefix]
        return named[0] if named else split.service


def read(text: str, project: str) -> Values:
    """The values that `pulumi config --json --show-secrets` prints, defaults included."""
    found = {
        key.removeprefix(f"{project}:"): each
        for key, each in json.loads(text).items()
        if key.startswith(f"{project}:")
    }
    return Values(
        {key: str(each.get("value", "")) for key, each in found.items()},
        frozenset(key for key, each in found.items() if each.get("secret")),
    )


def committed(folder: Path, settings: str, project: str, revision: str = "HEAD") -> Values | None:
    """The values of a commit; None where it has no such file, or nothing is committed.

    Secrets stay encrypted: each is the text that stands for it in the file.
    """
    stack, defaults = (_shown(folder, name, revision) for name in (settings, PROJECT_FILE))
    if stack is None or defaults is None:
        return None
    texts = {
        key: as_text(given.get("default") if isinstance(given, dict) else given)
        for key, given in (defaults.get("config") or {}).items()
    }
    secret = set()
    for key, value in (stack.get("config") or {}).items():
        short = key.removeprefix(f"{project}:")
        texts[short] = as_text(value)
        if isinstance(value, dict) and set(value) == {"secure"}:
            secret.add(short)
    return Values(texts, frozenset(secret))


def is_ignored(folder: Path, settings: str) -> bool:
    """Whether the stack's settings are meant not to be committed, or nothing is."""
    try:
        output(["git", "-C", str(folder), "check-ignore", "--quiet", settings])
    except CanaryError:
        return False
    return True


def is_repository(folder: Path) -> bool:
    """Whether the folder is in a clone that has a commit."""
    try:
        output(["git", "-C", str(folder), "rev-parse", "--verify", "--quiet", "HEAD"])
    except CanaryError:
        return False
    return True


def _shown(folder: Path, name: str, revision: str) -> dict[str, Any] | None:
    try:
        text = output(["git", "-C", str(folder), "show", f"{revision}:./{name}"])
        found = yaml.safe_load(text)
    except (CanaryError, yaml.YAMLError):
        return None
    return found if isinstance(found, dict) else None


def as_text(value: object) -> str:
    """As the engine gives a value to the program."""
    plain = _encrypted(value)
    return plain if isinstance(plain, str) else json.dumps(plain)


def _encrypted(value: object) -> object:
    """With the encrypted text for each secret."""
    if isinstance(value, dict):
        if set(value) == {"secure"}:
            return str(value["secure"])
        return {key: _encrypted(each) for key, each in value.items()}
    return [_encrypted(each) for each in value] if isinstance(value, list) else value


def weights(values: Values, split: Split) -> Weights:
    """The percents by version that the values give a split. Raises CanaryError."""
    found = branches(values).get(split.ways[0].prefix)
    if found is None:
        raise CanaryError(f"the config has no service {split.service!r} with versions")
    return by_version(found)


def branches(values: Values) -> Mapping[str, Weights]:
    """The percents by branch that the values give each split, by prefix. Raises CanaryError."""
    found: Mapping[str, Weights] = lazily.module("mesh.routes").internal_splits(services(values))
    return found


def services(values: Values) -> "tuple[Service, ...]":
    """The services as the program reads them. Raises CanaryError."""
    readers = lazily.module("settings.readers")
    texts = values.texts
    reads = lazily.module("settings.services")
    try:
        defaults = reads.Defaults(
            texts["helloworldImage"],
            readers.integer(1, 100)(texts["replicas"]),
            readers.percent(0)(texts[CANARY_WEIGHT]),
        )
        found: tuple[Service, ...] = reads.read(
            texts[SERVICES], defaults, SERVICES in values.secret
        )
    except KeyError as error:
        raise CanaryError(f"config {error} is missing") from None
    except ValueError as error:
        raise CanaryError(str(error)) from None
    except lazily.module("settings.errors").SettingsError as error:
        raise CanaryError(str(error)) from None
    return found


def limits(values: Values) -> Limits:
    """The limits that the values give a canary; the defaults where they cannot be used."""
    analysis = lazily.module("settings.analysis")
    try:
        found: Limits = analysis.read(values.texts.get(analysis.KEY, "{}"))
    except lazily.module("settings.errors").SettingsError:
        return Limits()
    return found
