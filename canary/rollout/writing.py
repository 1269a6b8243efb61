"""Writing a rollout's weights: five checks, the config, a targeted update, and reading it back."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from canary import overview
from canary.errors import CanaryError
from canary.moving import Settings, who
from canary.overview import ClusterView, StackView
from canary.rollout import checks, pods
from canary.rollout.checks import Ours
from canary.stack import history, targeted
from canary.stack.cli import Cli
from kube.api import Api
from kube.errors import OneLineError


class ChangedError(CanaryError):
    """Somebody else's change: nothing was written."""


class UnfinishedError(CanaryError):
    """The weight is in force, and its update failed: a linkerd does not follow, say."""


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

    def write(
        self, ours: Ours, known: StackView, may_write: Callable[[], None] = lambda: None
    ) -> Written:
        """Bring what is wanted into force; `may_write` raises CanaryError right before if not.

        `known` is the stack as it was seen last: going back does not wait for a new look at it.

        Raises ChangedError where the stack, the table or the canary are not ours any more,
        UnfinishedError where the weight is in force although its update failed, and CanaryError
        where the former one still is.
        """
        known = self.view() if ours.wanted else known
        cluster = self.cluster(known)
        if ours.wanted == 0 and _is_at_0(known, cluster):
            # An abort from another terminal was faster.
            return Written(known, checks.identity(known.updates))
        running = self.releases(known, known.split.canary) if ours.wanted else ()
        change = checks.changed(ours, known, cluster, running)
        if change:
            raise ChangedError(change)
        lack = checks.lacking(known, cluster, ours.wanted)
        if lack:
            raise CanaryError(lack)
        may_write()
        return self._update(known, ours)

    def go_back(self) -> Written:
        """Bring 0 into force, whoever set what is. Raises CanaryError, ChangedError."""
        known = self.view()
        cluster = self.cluster(known)
        now = (cluster.in_force or {}).get(known.split.canary, 0)
        return self.write(Ours(now, 0, "", ()), known)

    def _update(self, known: StackView, ours: Ours) -> Written:
        split = known.split
        settings = Settings(self._cli, self._folder / known.deployed.settings, known, ours.wanted)
        settings.check()
        message = f"{history.MESSAGE} run {split.service} {ours.wanted:g} by {who()}"
        try:
            urns = [way.table.urn for way in split.ways]
            ended = targeted.up(self._cli, urns, message, settings.given, hears_interrupts=False)
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
            in_force = self.cluster(known).in_force or {}
        except CanaryError:
            # Which one is in force is not known: the lower one is to be the next.
            in_force = {}
        if in_force.get(known.split.canary, 0) == ours.wanted != ours.weight:
            raise UnfinishedError(why)
        settings.put_back()

    def _read_back(self, ours: Ours) -> Written:
        known = self.view()
        cluster = self.cluster(known)
        now = (cluster.in_force or {}).get(known.split.canary, 0)
        if not cluster.agrees or now != ours.wanted:
            raise ChangedError(f"{now:g} % is in force right after {ours.wanted:g} was written")
        return Written(known, checks.identity(known.updates))


def _is_at_0(known: StackView, cluster: ClusterView) -> bool:
    canary = known.split.canary
    in_force, configured = cluster.in_force, known.configured
    return (
        cluster.agrees
        and in_force is not None
        and configured is not None
        and in_force.get(canary, 0) == configured.get(canary, 0) == 0
    )
