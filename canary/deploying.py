"""A deployment: which weights rise, the update that leaves those as they are, and their rollouts.

The update is one of the whole stack, so a weight that is to rise by steps is held for it: the
stack's settings have the weight of the last update meanwhile.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from canary import exits, figures, lease, outcomes, overview
from canary.errors import CanaryError
from canary.lease import Lease
from canary.outcomes import Record
from canary.overview import Known, StackView
from canary.rollout import journal, running
from canary.rollout.page import html, sentence, story
from canary.stack import commits, configured, split, whole
from canary.stack.alone import alone
from canary.stack.cli import Cli
from canary.stack.deployed import NoTablesError
from canary.stack.settings import Settings
from canary.stack.split import Split, Way
from kube.api import Api
from kube.connection import to_cluster
from kube.errors import (
    KubeconfigError,
    OneLineError,
    UnauthorizedError,
    UnreachableError,
    UntrustedError,
)

if TYPE_CHECKING:
    from settings import Service


@dataclass(frozen=True)
class Given:
    """What the command line says."""

    stack: str | None = None
    policy_pack: str | None = None
    notify: str | None = None
    report: Path | None = None
    outcome: Path | None = None


@dataclass(frozen=True)
class Rise:
    """A split whose canary has more by the config than by the last update."""

    known: StackView
    """Its split is that of the config; the state may not know the canary yet."""
    before: float
    wanted: float

    @property
    def service(self) -> str:
        """As the other commands call it."""
        return self.known.split.service

    @property
    def canary(self) -> str:
        """The version that rises."""
        return self.known.split.canary


def deploy(given: Given, folder: Path) -> int:
    """Bring the stack to its config; the exit code. Raises CanaryError."""
    record = Record(given.outcome)
    try:
        code = _deploy(given, folder, record)
    except CanaryError as error:
        record.end(error.code, str(error))
        raise
    except KeyboardInterrupt:
        record.end(exits.INTERRUPTED, "interrupted in mid-update")
        raise
    record.end(code)
    return code


def _deploy(given: Given, folder: Path, record: Record) -> int:
    with Cli(given.stack) as cli, alone(folder):
        rising, weights = _found(cli, folder)
        held = _checked(cli, folder, rising, given)
        settings = rising[0].known.deployed.settings if rising else ""
        record.begin(settings, tuple(_rollout(folder, each) for each in rising), weights)
        _tell_what_rises(rising)
        _update(cli, given, held)
    for number, rise in enumerate(rising):
        code = _roll_out(given, folder, rise, record, number)
        if code:
            return code
    if held:
        # Each has its weight by now, in the words of `pulumi config set`.
        with alone(folder):
            _put_back(held)
    return exits.DONE


def _tell_what_rises(rising: list[Rise]) -> None:
    for each in rising:
        before, wanted = figures.percent(each.before), figures.percent(each.wanted)
        print(f"{each.canary}: {before} for this update, then by steps to {wanted}.", flush=True)


def _update(cli: Cli, given: Given, held: list[Settings]) -> None:
    """Everything but the weights that are held. Raises CanaryError, the settings as they were."""
    policies = ["--policy-pack", given.policy_pack] if given.policy_pack else []
    try:
        whole.up(cli, [*policies, *(word for each in held for word in each.given)])
    except BaseException:
        _put_back(held)
        raise


def _found(cli: Cli, folder: Path) -> tuple[list[Rise], dict[str, float]]:
    """The weights that rise, and those that all canaries are to have.

    Raises CanaryError where somebody rolls out by hand.
    """
    try:
        known = overview.known(cli, folder)
    except NoTablesError:
        return [], {}
    _must_be_free(known)
    return list(rises(known)), _wanted(known)


def _wanted(known: Known) -> dict[str, float]:
    try:
        services = configured.services(known.values)
    except CanaryError:
        return {}
    pairs = (each for each in services if len(each.weights) == 2)
    return {_canary(each): each.weights[_canary(each)] for each in pairs}


def _canary(service: "Service") -> str:
    (found,) = set(service.weights) - {service.baseline}
    return found


def rises(known: Known) -> Iterator[Rise]:
    """The splits between two versions whose canary has more by the config than by the state.

    None of a config that cannot be used: the program says what is wrong with it.
    """
    try:
        services = configured.services(known.values)
    except CanaryError:
        return
    for service in services:
        ways = _ways(known, service.prefix)
        if len(service.weights) != 2 or not ways:
            continue
        canary = _canary(service)
        before = ways[0].weights.get(canary, 0)
        if service.weights[canary] > before:
            named = split.version_of(service.prefix)
            found = Split(named, (service.baseline, canary), tuple(ways))
            yield Rise(known.of(found), before, service.weights[canary])


def _ways(known: Known, prefix: str) -> list[Way]:
    return [Way(table, prefix) for table in known.deployed.tables if prefix in table.splits]


def _must_be_free(known: Known) -> None:
    """Raise CanaryError where a rollout is under way: this update would end it."""
    for each in split.all_of(known.deployed):
        found = _lease(each)
        lease.must_be_free(found, each.canary)


_OTHER_CLUSTER = (KubeconfigError, UnreachableError, UntrustedError, UnauthorizedError)


def _lease(found: Split) -> Lease | None:
    """Whose a split is. Raises CanaryError where that cannot be told."""
    try:
        target = found.ways[0].table.target
        with to_cluster(target.kubeconfig, target.context) as connection:
            return lease.read(Api(connection), overview.mesh_namespace(found), found.service)
    except _OTHER_CLUSTER as error:
        # Of the last update. A new cluster, or new credentials, are a matter of this one.
        print(f"Whether a rollout is under way is not known: {error}", flush=True)
        return None
    except OneLineError as error:
        raise CanaryError(f"whether a rollout is under way is not known: {error}") from None


def _checked(cli: Cli, folder: Path, rising: list[Rise], given: Given) -> list[Settings]:
    """What holds them, once it is known that nothing stands against their rollouts.

    Raises CanaryError.
    """
    found = []
    for each in rising:
        settings = Settings(cli, folder / each.known.deployed.settings, each.known, each.before)
        settings.check()
        running.planned(each.known, each.before, _asked(given, each))
        found.append(settings)
    return found


def _put_back(held: list[Settings]) -> None:
    """The settings as they were; each of these has read the file before any was written."""
    if held:
        held[0].put_back(*held[1:])


def _rollout(folder: Path, rise: Rise) -> outcomes.Rollout:
    commit = commits.raised_by(folder, rise.known.deployed, rise.known.split)
    return outcomes.Rollout(
        rise.service, rise.canary, rise.before, rise.wanted, commit, in_force=rise.before
    )


def _asked(given: Given, rise: Rise) -> running.Given:
    return running.Given(given.stack, rise.service, to=rise.wanted, notify=given.notify)


def _roll_out(given: Given, folder: Path, rise: Rise, record: Record, number: int) -> int:
    began = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    record.rolled_out(number, in_force=None)
    try:
        code = running.run(_asked(given, rise), folder)
    except CanaryError as error:
        record.rolled_out(number, code=error.code, said=str(error))
        raise
    record.rolled_out(number, code=code)
    found = journal.last(folder, rise.known.deployed.stack, rise.service)
    if found is None or found.header.id < began:
        raise CanaryError(f"the rollout of {rise.canary} has left no journal")
    record.rolled_out(number, in_force=found.rollout.weight)
    told = story.told(found)
    record.rolled_out(number, said=sentence.sentence(told))
    if given.report:
        is_one = len(record.outcome.rollouts) == 1
        _write(given.report if is_one else _named(given.report, rise), html.page(told))
    return code


def _named(report: Path, rise: Rise) -> Path:
    return report.with_stem(f"{report.stem}-{rise.service}")


def _write(path: Path, page: str) -> None:
    """The rollout has ended as it has, whether its page can be written or not."""
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        print(f"{path}: {error.strerror}: canary report writes the page again", flush=True)
