"""What a rule is, and what it sees of a stack's resources."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Options = Mapping[str, Any]
"""A rule's options as `--policy-pack-config` gives them; {} where it gives none."""


@dataclass(frozen=True)
class Unknown:
    """Stands for a value that is known only after the update."""


@dataclass(frozen=True)
class Secret:
    """A secret value: `judged` gives what to judge, `shown` what a message may say of it."""

    value: Any = field(repr=False)


@dataclass(frozen=True)
class Seen:
    """A resource as rules see it."""

    urn: str
    type: str
    properties: Mapping[str, Any]
    """Plain values, with Unknown and Secret among them; numbers are floats."""

    @property
    def stack(self) -> str:
        """The stack's name. The URN tells it by any language host; the environment does not."""
        return self.urn.split(":")[2]

    def at(self, *path: str) -> Any:
        """The value at a path of keys: None where there is none, Unknown below an Unknown.

        What lies in a Secret is a Secret.
        """
        return at(self.properties, *path)


def object_type(type_: str) -> str:
    """The type of the Kubernetes object that a resource is, also where it is applied as a patch.

    A Patch of Pulumi's kubernetes plugin makes the object where there is none, so rules judge it as
    that.
    """
    return type_.removesuffix("Patch") if type_.startswith("kubernetes:") else type_


def at(value: Any, *path: str) -> Any:
    """The value at a path of keys below another: see `Seen.at`."""
    for key in path:
        if isinstance(value, Unknown):
            return value
        inner = judged(value)
        inner = inner.get(key) if isinstance(inner, Mapping) else None
        value = _as_secret_as(value, inner)
    return value


def items(value: Any) -> Sequence[Any]:
    """A list's items; none of anything else."""
    inner = judged(value)
    return [_as_secret_as(value, each) for each in inner] if isinstance(inner, list) else ()


def judged(value: Any) -> Any:
    """What to judge a value by: what is in a Secret. It must not come into a message."""
    return value.value if isinstance(value, Secret) else value


def shown(value: Any) -> str:
    """What a message may say of a value."""
    if isinstance(value, Secret):
        return "[secret]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _as_secret_as(holder: Any, value: Any) -> Any:
    if not isinstance(holder, Secret) or isinstance(value, (Secret, Unknown)) or value is None:
        return value
    return Secret(value)


@dataclass(frozen=True)
class Rule:
    """A rule that looks at one resource at a time, at its inputs."""

    name: str
    description: str
    types: Callable[[str], bool]
    """Which types of resources it is about."""
    violations: Callable[[Seen, Options], Iterator[str]]
    """One line for each thing that is wrong: what, where, and what to do."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """A JSON schema for each option."""


@dataclass(frozen=True)
class StackRule:
    """A rule that looks at all resources together, at their outputs."""

    name: str
    description: str
    violations: Callable[[Sequence[Seen], Options], Iterator[tuple[Seen, str]]]
    """Whose fault each thing is, and a line on it."""
    options: Mapping[str, Any] = field(default_factory=dict)
