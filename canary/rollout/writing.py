"""Writing a rollout's weights: five checks, the config, a targeted update, and reading it back."""

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

    def write(self, ours: Ours) -> Written:
        """Bring what is wanted into force.

        Raises ChangedError where the stack, the table or the canary are not ours any more, and
        CanaryError where it could not be done; the former weight is in force then.
        """
        known = self.view()
        cluster = self.cluster(known)
        running = self.releases(known, known.split.canary) if ours.wanted else ()
        change = checks.changed(ours, known, cluster, running)
        if change:
            raise ChangedError(change)
        lack = checks.lacking(known, cluster, ours.wanted)
        if lack:
            raise CanaryError(lack)
        return self._update(known, ours)

    def go_back(self) -> Written:
        """Bring 0 into force, whoever set what is. Raises CanaryError, ChangedError."""
        known = self.view()
        cluster = self.cluster(known)
        now = (cluster.in_force or {}).get(known.split.canary, 0)
        configured = (known.configured or {}).get(known.split.canary)
        if cluster.agrees and now == 0 and configured == 0:
            # The rollout that heard the wish was faster.
            return Written(known, checks.identity(known.updates))
        return self.write(Ours(now, 0, "", ()))

    def _update(self, known: StackView, ours: Ours) -> Written:
        split = known.split
        settings = Settings(self._cli, self._folder / known.deployed.settings, known, ours.wanted)
        if ours.wanted:
            settings.check()
        settings.write()
        message = f"{history.MESSAGE} run {split.service} {ours.wanted:g} by {who()}"
        try:
            ended = targeted.up(self._cli, [way.table.urn for way in split.ways], message)
        except BaseException:
            self._put_back(settings, ours)
            raise
        if not ended.succeeded:
            self._put_back(settings, ours)
            raise CanaryError(ended.error)
        return self._read_back(ours)

    def _put_back(self, settings: Settings, ours: Ours) -> None:
        """On the way back the config stays at 0: that is where the next update is to go."""
        if ours.wanted:
            settings.put_back()

    def _read_back(self, ours: Ours) -> Written:
        known = self.view()
        cluster = self.cluster(known)
        now = (cluster.in_force or {}).get(known.split.canary, 0)
        if not cluster.agrees or now != ours.wanted:
            raise ChangedError(f"{now:g} % is in force right after {ours.wanted:g} was written")
        return Written(known, checks.identity(known.updates))
