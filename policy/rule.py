"""What a rule is, and what it sees of a stack's resources."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

Options = Mapping[str, Any]
"""A rule's options as `--policy-pack-config` gives them; {} where it gives none."""


class Hidden(Enum):
    """Stands for a value that a rule cannot see."""

    UNKNOWN = "known only after the update"
    SECRET = "secret"  # noqa: S105


@dataclass(frozen=True)
class Seen:
    """A resource as rules see it."""

    urn: str
    type: str
    properties: Mapping[str, Any]
    """Plain values, a Hidden where there is none to see; numbers are floats."""

    @property
    def stack(self) -> str:
        """The stack's name. The URN tells it by any language host; the environment does not."""
        return self.urn.split(":")[2]

    def at(self, *path: str) -> Any:
        """The value at a path of keys: None where there is none, a Hidden where one hides it."""
        return at(self.properties, *path)


def at(value: Any, *path: str) -> Any:
    """The value at a path of keys below another: see `Seen.at`."""
    for key in path:
        if isinstance(value, Hidden):
            return value
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def items(value: Any) -> Sequence[Any]:
    """A list's items; none of anything else."""
    return value if isinstance(value, list) else ()


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
    mandatory: bool = True


@dataclass(frozen=True)
class StackRule:
    """A rule that looks at all resources together, at their outputs."""

    name: str
    description: str
    violations: Callable[[Sequence[Seen], Options], Iterator[tuple[Seen, str]]]
    """Whose fault each thing is, and a line on it."""
    options: Mapping[str, Any] = field(default_factory=dict)
    mandatory: bool = True
