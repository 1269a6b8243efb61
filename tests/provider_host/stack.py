"""One resource's state, kept the way the engine keeps it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .host import Diff, Provider, ProviderHost


class Refused(Exception):  # noqa: N818  # what happened, as a test reads it
    """`check` found something wrong; `failures` are pairs of property and reason."""

    def __init__(self, failures: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(reason for _, reason in failures))
        self.failures = failures


@dataclass
class State:
    """What the engine saves of a resource."""

    id: str
    inputs: dict[str, Any]
    outputs: dict[str, Any]


@dataclass
class Stack:
    """A stack of one resource. `state` may be set, as after an import or from an older release."""

    host: ProviderHost
    provider: Provider
    state: State | None = None
    did: list[str] = field(default_factory=list)
    """The steps so far: create, update, replace, same, read, gone, delete."""

    def preview(self, inputs: Mapping[str, Any]) -> tuple[dict[str, Any], Diff | None]:
        """Checked inputs, and the diff to the state if there is one. Raises Refused."""
        olds = self.state.inputs if self.state else {}
        checked = self.host.check(self.provider, olds, inputs)
        if checked.failures:
            raise Refused(checked.failures)
        if self.state is None:
            return checked.inputs, None
        diff = self.host.diff(self.provider, self.state.id, self.state.outputs, checked.inputs)
        return checked.inputs, diff

    def up(self, inputs: Mapping[str, Any]) -> str:
        """Bring the resource to these inputs; the step taken. Raises Refused and CallError."""
        news, diff = self.preview(inputs)
        if diff is None or self.state is None:
            return self._create(news, "create")
        if diff.replaces:
            return self._replace(news, diff)
        if diff.changes:
            outputs = self.host.update(self.provider, self.state.id, self.state.outputs, news)
            self.state = State(self.state.id, news, outputs)
            return self._done("update")
        self.state.inputs = news
        return self._done("same")

    def refresh(self) -> str:
        """Take note of the object as it is: `read`, or `gone`."""
        if self.state is None:
            return self._done("gone")
        id_, outputs, inputs = self.host.read(self.provider, self.state.id, self.state.outputs)
        if not id_:
            self.state = None
            return self._done("gone")
        found = self.state.inputs if inputs is None else inputs
        self.state = State(id_, found, outputs)
        return self._done("read")

    def destroy(self) -> None:
        """Delete the object, if the state has one."""
        if self.state is not None:
            self.host.delete(self.provider, self.state.id, self.state.outputs)
            self.state = None
            self._done("delete")

    def _create(self, news: dict[str, Any], step: str) -> str:
        id_, outputs = self.host.create(self.provider, news)
        self.state = State(id_, news, outputs)
        return self._done(step)

    def _replace(self, news: dict[str, Any], diff: Diff) -> str:
        old = self.state
        assert old is not None
        if diff.delete_before_replace:
            self.destroy()
            return self._create(news, "replace")
        self._create(news, "replace")
        self.host.delete(self.provider, old.id, old.outputs)
        return "replace"

    def _done(self, step: str) -> str:
        self.did.append(step)
        return step
