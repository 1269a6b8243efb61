"""Writing a rollout's weights: five checks, the config, a targeted update, and reading it back."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from canary import overview
from canary.errors import CanaryError
from canary.moving import who
from canary.overview import ClusterView, StackView, Tables
from canary.rollout import checks, pods
from canary.rollout.checks import Ours
from canary.stack import targeted
from canary.stack.alone import alone
from canary.stack.cli import Cli
from canary.stack.settings import Settings
from kube.api import Api
from kube.errors import OneLineError

T = TypeVar("T")

READ_BACK_SECONDS = 60.0
"""How long it is tried to read what is in force after an update."""


class ChangedError(CanaryError):
    """Somebody else's change: nothing was written."""


class UnfinishedError(CanaryError):
    """The weight is in force, and its update failed: a linkerd does not follow, say."""

    def __init__(self, why: str, in_force: float | None) -> None:
        """`in_force` is None where that cannot be read."""
        super().__init__(why)
        self.in_force = in_force


@dataclass(frozen=True)
class Written:
    """A weight that is in force."""

    stack: StackView
    update: str


class Stack:
    """The stack whose split is moved, and its cluster."""

    def __init__(self, cli: Cli, folder: Path, api: Api, known: StackView) -> None:
        self._cli, self._folder, self._api = cli, folder, api
        self._service = known.split.service

    def view(self) -> StackView:
        """What Pulumi and git know now. Raises CanaryError."""
        return overview.of_stack(self._cli, self._folder, self._service)

    def cluster(self, known: StackView) -> ClusterView:
        """What the cluster knows now. Raises CanaryError."""
        return overview.of_cluster(self._api, known.split)

    def releases(self, known: StackView, version: str) -> list[str]:
        """Which releases of a version run. Raises CanaryError."""
        names, _ = overview.what_is_counted(known.split)
        found: list[str] = []
        try:
            for bound, each in names.items():
                if each == version:
                    found += pods.releases(self._api, bound)
        except OneLineError as error:
            raise CanaryError(str(error)) from None
        return sorted(set(found))

    def check(self, known: StackView, weight: float) -> None:
        """Raise CanaryError where the config cannot be given a weight."""
        Settings(self._cli, self._folder / known.deployed.settings, known, weight).check()

    def tables(self, known: StackView) -> Tables:
        """The tables alone, now. Raises CanaryError."""
        return overview.of_tables(self._api, known.split)

    def write(
        self, ours: Ours, known: StackView, may_write: Callable[[], None] = lambda: None
    ) -> Written:
        """Bring what is wanted into force; `may_write` raises CanaryError right before if not.

        Nothing keeps 0 from being written: `may_write` is not asked.

        `known` is the stack as it was seen last: going back does not wait for a new look at it.
        Raises ChangedError where the stack, the tables or the canary are not ours any more,
        UnfinishedError where the weight is, or may be, in force although its update failed, and
        CanaryError where the former one still is.
        """
        with alone(self._folder):
            if not ours.wanted:
                return self._write_0(ours, known)
            return self._raise(ours, may_write)

    def _raise(self, ours: Ours, may_write: Callable[[], None]) -> Written:
        known = self.view()
        cluster = self.cluster(known)
        running = self.releases(known, known.split.canary)
        change = checks.changed(ours, known, cluster, running)
        if change:
            raise ChangedError(change)
        lack = checks.lacking(known, cluster, ours.wanted)
        if lack:
            raise CanaryError(lack)
        may_write()
        return self._update(known, ours)

    def _write_0(self, ours: Ours, known: StackView) -> Written:
        tables = self.tables(known)
        if not any(tables.weights_of(known.split.canary)):
            # Another terminal's abort was faster: its update is news to us, and there is time.
            known = self.view()
            tables = self.tables(known)
            if _is_at_0(known, tables):
                return Written(known, checks.identity(known.updates))
        change = checks.changed(ours, known, tables, ())
        if change:
            raise ChangedError(change)
        return self._update(known, ours)

    def go_back(self) -> Written:
        """Bring 0 into force, whoever set what is. Raises CanaryError, ChangedError."""
        known = self.view()
        now = self.tables(known).weights_of(known.split.canary)
        return self.write(Ours(max(now), 0, "", (), tried=min(now)), known)

    def _update(self, known: StackView, ours: Ours) -> Written:
        split = known.split
        settings = Settings(self._cli, self._folder / known.deployed.settings, known, ours.wanted)
        settings.check()
        message = f"{checks.message(split.service)}{ours.wanted:g} by {who()}"
        try:
            urns = [way.table.urn for way in split.ways]
            ended = targeted.up_to_its_end(self._cli, urns, message, settings.given)
        except BaseException as error:
            self._settle(known, settings, ours, str(error))
            raise
        if not ended.succeeded:
            self._settle(known, settings, ours, ended.error)
        if ended.was_interrupted:
            raise KeyboardInterrupt
        if not ended.succeeded:
            raise CanaryError(ended.error)
        return self._read_back(ours)

    def _settle(self, known: StackView, settings: Settings, ours: Ours, why: str) -> None:
        """After an update that failed: have the config say what is in force.

        On the way back it stays at 0: that is where the next update is to go. Raises
        UnfinishedError.
        """
        if not ours.wanted:
            return
        try:
            tables = _for_a_while(lambda: self.tables(known))
        except CanaryError:
            raise UnfinishedError(why, None) from None
        if tables.weight_of(known.split.canary) == ours.wanted != ours.weight:
            raise UnfinishedError(why, ours.wanted)
        settings.put_back()

    def _read_back(self, ours: Ours) -> Written:
        try:
            known = _for_a_while(self.view)
            tables = _for_a_while(lambda: self.tables(known))
        except CanaryError as error:
            raise UnfinishedError(str(error), None) from None
        now = tables.weights_of(known.split.canary)
        if not tables.agrees or set(now) != {ours.wanted}:
            raise ChangedError(f"{now[0]:g} % is in force right after {ours.wanted:g} was written")
        return Written(known, checks.identity(known.updates))


def _for_a_while(ask: Callable[[], T]) -> T:
    """Ask again where that fails: what an update has done is not to be given up for a hiccup."""
    ends = time.monotonic() + READ_BACK_SECONDS
    while True:
        try:
            return ask()
        except CanaryError:
            if time.monotonic() > ends:
                raise
            time.sleep(1)


def _is_at_0(known: StackView, tables: Tables) -> bool:
    canary, configured = known.split.canary, known.configured
    written = [way.weights.get(canary, 0) for way in known.split.ways]
    return (
        tables.agrees
        and None not in tables.by_way
        and configured is not None
        and {*tables.weights_of(canary), *written, configured.get(canary, 0)} == {0}
    )
