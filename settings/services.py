"""The config key `services`: HTTP services, and how traffic is split between their versions."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, TypeVar

from dynamic import splits
from settings import readers
from settings.errors import SettingsError, quoted, shortened

VERSION_KEYS = (
    "image",
    "port",
    "args",
    "env",
    "replicas",
    "memoryMb",
    "runAsUser",
    "writableRoot",
)
SERVICE_KEYS = (*VERSION_KEYS, "versions", "weights", "prefix")
OWN_VARIABLES = ("POD_IP", "NODE_NAME", "HOST_IP", "http_proxy")
"""What every service's environment has by itself."""

REPLACED = "what is set under services takes the place of the default hello and world as a whole"

T = TypeVar("T")


@dataclass(frozen=True)
class Deployment:
    """What runs under one name of its own: a service without versions, or one version."""

    name: str
    image: str
    port: int
    replicas: int
    args: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
    memory_mb: int = 256
    """The most that a pod may use, in MiB."""
    run_as_user: int = 65532
    """The user and group of its process; 0 is root."""
    writable_root: bool = False
    """Whether the process may write outside of /tmp."""


@dataclass(frozen=True)
class Service:
    """A name that other services call, and what answers."""

    name: str
    prefix: str
    """The name in the routing table: `/host/world`."""
    deployments: tuple[Deployment, ...]
    weights: Mapping[str, float]
    """Percents by deployment, with at most two decimals, adding up to 100."""

    @property
    def baseline(self) -> str:
        """The deployment whose weight may rise at any step, as the way back: the first version."""
        return self.deployments[0].name

    @property
    def is_split(self) -> bool:
        """Whether the routing table needs an entry for it beside the base."""
        names = [deployment.name for deployment in self.deployments]
        return names != [self.name] or self.prefix != f"/host/{self.name}"


@dataclass(frozen=True)
class Defaults:
    """What a service takes that does not say otherwise."""

    image: str
    replicas: int
    canary_weight: float
    """Percent for the second of two versions without `weights`."""


def read(text: str, defaults: Defaults, are_secret: bool = False) -> tuple[Service, ...]:
    """The services, sorted by name; a SettingsError for the first thing wrong, which it places.

    No message shows an environment's values or arguments, and none any value where they are secret.
    """
    try:
        parsed = readers.parsed_json(text)
    except ValueError as error:
        raise SettingsError(f"config services: {error}") from None
    if not isinstance(parsed, dict) or not parsed:
        raise SettingsError("config services must be an object with a service or more by name")
    found = tuple(
        _Node(f"services.{name}", parsed[name], are_secret).service(name, defaults)
        for name in sorted(parsed)
    )
    _refuse_clashes(found)
    follow = any(_follows_canary_weight(parsed[service.name]) for service in found)
    if defaults.canary_weight and not follow:
        raise SettingsError(
            f"config canaryWeight is {defaults.canary_weight}, but no service has two versions "
            "without `weights` for it to move: set it to 0, or leave one's weights out"
        )
    return found


def _follows_canary_weight(given: Mapping[str, Any]) -> bool:
    return len(given.get("versions", ())) == 2 and "weights" not in given


@dataclass(frozen=True)
class _Node:
    """A part of the value, and where it is."""

    place: str
    value: Any
    is_secret: bool = False

    def fail(self, reason: str, value: object = None) -> SettingsError:
        shown = "" if value is None or self.is_secret else f" is {quoted(value)}"
        return SettingsError(f"config {self.place}{shown}: {reason}")

    def at(self, key: str) -> "_Node":
        return _Node(f"{self.place}.{key}", self.value.get(key), self.is_secret)

    def service(self, name: str, defaults: Defaults) -> Service:
        _checked(_Node("services", name), readers.service_name)
        self._refuse_unknown(SERVICE_KEYS, "a service")
        inherited = {key: self.value[key] for key in VERSION_KEYS if key in self.value}
        if "versions" not in self.value:
            if "weights" in self.value:
                raise self.at("weights").fail("there are no versions to weigh")
            deployments = [self._deployment(name, inherited, defaults)]
            weights: dict[str, float] = {name: 100}
        else:
            deployments = list(self._versions(name, inherited, defaults))
            weights = self._weights(name, defaults.canary_weight)
        return Service(name, self._prefix(name), tuple(deployments), weights)

    def _versions(
        self, name: str, inherited: Mapping[str, Any], defaults: Defaults
    ) -> Iterator[Deployment]:
        versions = self.at("versions")
        if not isinstance(versions.value, dict) or not versions.value:
            raise versions.fail("it must be an object with a version or more by name")
        for version in sorted(versions.value):
            node = versions.at(version)
            node._refuse_unknown(VERSION_KEYS, "a version")
            yield node._deployment(f"{name}-{version}", inherited, defaults)

    def _deployment(
        self, name: str, inherited: Mapping[str, Any], defaults: Defaults
    ) -> Deployment:
        """What this service or version declares; what it leaves out is inherited."""
        _checked(_Node(self.place, name), readers.service_name)
        given = _Node(self.place, {**inherited, **self.value}, self.is_secret)
        if "port" not in given.value:
            raise self.at("port").fail(f"it is missing: a whole number from 1 to 65535; {REPLACED}")
        env = {**_Node(self.place, inherited, self.is_secret).env(), **self.env()}
        return Deployment(
            name=name,
            image=_checked(given.at("image"), readers.image, defaults.image),
            port=_whole(given.at("port"), 1, 65535),
            replicas=_whole(given.at("replicas"), 1, 100, defaults.replicas),
            args=given.args(),
            env=env,
            memory_mb=_whole(given.at("memoryMb"), 16, 1_048_576, Deployment.memory_mb),
            run_as_user=_whole(given.at("runAsUser"), 0, 2**31 - 1, Deployment.run_as_user),
            writable_root=_boolean(given.at("writableRoot"), Deployment.writable_root),
        )

    def args(self) -> tuple[str, ...]:
        args = self.at("args")
        if args.value is None:
            return ()
        if not isinstance(args.value, list) or not all(isinstance(one, str) for one in args.value):
            raise args.fail("it must be a list of strings")
        if any("\0" in one for one in args.value):
            raise args.fail("an argument cannot hold the character NUL")
        return tuple(args.value)

    def env(self) -> dict[str, str]:
        env = self.at("env")
        if env.value is None:
            return {}
        if not isinstance(env.value, dict):
            raise env.fail("it must be an object with a string by each variable's name")
        for name, value in env.value.items():
            if name in OWN_VARIABLES:
                raise env.at(name).fail("the service has this variable by itself")
            if not re.fullmatch(r"(?!\.\Z|\.\.)[-._a-zA-Z][-._a-zA-Z0-9]*", name):
                raise env.fail(
                    "a variable's name is of letters, digits, _, . and -, with no digit and no two "
                    "dots at its beginning",
                    name,
                )
            if not isinstance(value, str):
                raise env.at(name).fail("it must be a string: put it in quotes")
            if "\0" in value:
                raise env.at(name).fail("a variable cannot hold the character NUL")
        return dict(env.value)

    def _weights(self, name: str, canary_weight: float) -> dict[str, float]:
        """Percents by deployment."""
        weights, versions = self.at("weights"), sorted(self.value["versions"])
        if weights.value is None:
            return self._moved_by_canary_weight(name, versions, canary_weight)
        if not isinstance(weights.value, dict):
            raise weights.fail("it must be an object with a percent by version")
        for version in weights.value:
            if version not in versions:
                raise weights.at(version).fail(f"there is no such version, only {_and(versions)}")
        found = {version: _hundredths(weights.at(version)) for version in versions}
        if sum(found.values()) != splits.WHOLE:
            total = splits.percent(sum(found.values()))
            raise weights.fail(f"the percents add up to {total}, not to 100")
        return {f"{name}-{version}": splits.percent(part) for version, part in found.items()}

    def _moved_by_canary_weight(
        self, name: str, versions: list[str], canary_weight: float
    ) -> dict[str, float]:
        """The version that sorts last takes canaryWeight, the other one the rest."""
        if len(versions) == 1:
            return {f"{name}-{versions[0]}": 100}
        if len(versions) > 2:
            raise self.at("weights").fail(f"it is missing: a percent each of {_and(versions)}")
        if versions != sorted(versions, key=_as_numbered):
            raise self.at("versions").fail(
                f"canaryWeight moves the version that sorts last, and {_and(versions)} do not sort "
                "as their numbers do: give both as many digits"
            )
        baseline, canary = (f"{name}-{version}" for version in versions)
        return {baseline: splits.rest(canary_weight), canary: canary_weight}

    def _prefix(self, name: str) -> str:
        # linkerd looks a request up by its Host header, in lower case: one label.
        allowed = readers.form(
            r"/(host|svc)/[a-z0-9_.:-]+",
            "a name in the routing table such as /host/world, in lower case as linkerd asks for it",
        )
        return _checked(self.at("prefix"), allowed, f"/host/{name}")

    def _refuse_unknown(self, keys: tuple[str, ...], what: str) -> None:
        if not isinstance(self.value, dict):
            raise self.fail(f"{what} is an object with {_and(keys)}")
        for key in self.value:
            if key not in keys:
                raise self.at(key).fail(f"{what} has no such key, only {_and(keys)}")


def _checked(node: _Node, reader: Callable[[str], T], default: T | None = None) -> T:
    if node.value is None and default is not None:
        return default
    try:
        return reader(node.value if isinstance(node.value, str) else "")
    except ValueError as error:
        raise node.fail(str(error), node.value) from None


def _whole(node: _Node, low: int, high: int, default: int | None = None) -> int:
    number = node.value if node.value is not None else default
    if isinstance(number, bool) or not isinstance(number, int) or not low <= number <= high:
        raise node.fail(f"it must be a whole number from {low} to {high}", number)
    return number


def _boolean(node: _Node, default: bool) -> bool:
    if node.value is None:
        return default
    if not isinstance(node.value, bool):
        raise node.fail("it must be true or false", node.value)
    return node.value


def _hundredths(node: _Node) -> int:
    """A percent in hundredths; one that is left out is 0.

    `pulumi config set --path` makes a text of a number with decimals.
    """
    given = 0 if node.value is None else node.value
    number = readers.two_decimals(given) if isinstance(given, str) else given
    part = splits.hundredths(number)
    if part is None:
        raise node.fail(readers.percent_from(0), given)
    return part


def _refuse_clashes(services: tuple[Service, ...]) -> None:
    for one, other in combinations(services, 2):
        names = {deployment.name for deployment in one.deployments}
        for deployment in other.deployments:
            if deployment.name in names:
                raise SettingsError(
                    f"config services: {one.name} and {other.name} would both run {deployment.name}"
                )
        if one.prefix.rpartition("/")[2] == other.prefix.rpartition("/")[2]:
            raise SettingsError(
                f"config services: the prefixes of {one.name} and {other.name}, "
                f"{shortened(one.prefix)} and {shortened(other.prefix)}, overlap"
            )


def _as_numbered(version: str) -> list[tuple[str, int]]:
    """A key that sorts v9 before v10."""
    return [(word, int(digits or 0)) for word, digits in re.findall(r"(\D*)(\d*)", version)]


def _and(words: tuple[str, ...] | list[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
