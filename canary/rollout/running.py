"""Beginning a rollout, going on with one, and the wishes of other terminals."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from canary import exits, figures, findings, holding, lease, overview
from canary.analysis.limits import Limits
from canary.errors import CanaryError
from canary.holding import Held
from canary.moving import who
from canary.overview import ClusterView, StackView
from canary.rollout import checks, journal, plan, terminal
from canary.rollout.driver import Driver, Parts, Tell
from canary.rollout.events import Begun, Event, Resumed, Wish, Wished
from canary.rollout.journal import Header, Journal, Writer
from canary.rollout.load import loading
from canary.rollout.machine import Rollout, Taken
from canary.rollout.notify import Notifier, notifying
from canary.rollout.phase import Phase
from canary.rollout.plan import Plan
from canary.rollout.terminal import Display
from canary.rollout.writing import ChangedError, Stack
from canary.stack.cli import Cli, output
from canary.stack.configured import SERVICES
from kube import lazily
from kube.api import Api
from kube.errors import OneLineError

ABORT_SECONDS = 600.0
"""How long an abort tries: an update that is under way keeps the stack's lock."""

CHANGED_SECONDS = 60.0
"""How long where the table is not as it was left, while the rollout that was told writes it too;
a sixth of that where another abort may."""


@dataclass(frozen=True)
class Given:
    """What the command line says; None is as the stack's config has it."""

    stack: str | None
    service: str | None
    to: float = 100
    pauses: tuple[float, ...] = ()
    changes: tuple[tuple[str, object], ...] = ()
    """Fields of Limits that are other than the config's."""
    observes: bool = False
    notify: str | None = None
    """The URL that is told what happens."""
    load: float | None = None
    """Requests a second that are sent to the service, beside those of others."""

    @property
    def loads(self) -> bool:
        """Whether any are."""
        return self.load is not None


@dataclass(frozen=True)
class _Place:
    """Where a split's lease is."""

    api: Api
    known: StackView

    def held(self) -> Held:
        """The lease, as this process would hold it."""
        return Held(*self._where, holding.holder())

    def wish(self, what: Wish) -> bool:
        """Tell the one who holds it; False where nobody does. Raises CanaryError, OneLineError."""
        return holding.wish(*self._where, what, who())

    @property
    def _where(self) -> tuple[Api, str, str]:
        return self.api, overview.mesh_namespace(self.known.split), self.known.split.service


@dataclass(frozen=True)
class _At:
    """The stack and the cluster, as a command finds them."""

    folder: Path
    api: Api
    stack: Stack
    known: StackView
    cluster: ClusterView

    @property
    def weight(self) -> float:
        """The canary's, in force."""
        return self.cluster.weight_of(self.known.split.canary)

    @property
    def place(self) -> _Place:
        """Where the lease is."""
        return _Place(self.api, self.known)

    def last(self) -> Journal | None:
        """The split's last rollout from this folder."""
        return journal.last(self.folder, self.known.deployed.stack, self.known.split.service)


def run(given: Given, folder: Path) -> int:
    """Roll out, or observe; the exit code. Raises CanaryError."""
    return _at(given.stack, given.service, folder, lambda at: _run(at, given))


def dry_run(given: Given, folder: Path) -> int:
    """Show what a rollout would do. Raises CanaryError."""

    def show(at: _At) -> int:
        from canary.rollout import dry  # noqa: PLC0415

        found = planned(at.known, at.weight, given)
        print("\n".join(dry.lines(found, at.weight, at.cluster, given.load or 0)))
        return exits.DONE

    return _at(given.stack, given.service, folder, show)


def resume(given: Given, folder: Path) -> int:
    """Go on with the last rollout. Raises CanaryError."""
    return _at(given.stack, given.service, folder, lambda at: _resume(at, None, given))


def promote(stack: str | None, service: str | None, folder: Path, *, full: bool) -> int:
    """Have the rollout go on: the one that runs, or the last one. Raises CanaryError."""
    what = Wish.FULL if full else Wish.PROMOTE

    def act(at: _At) -> int:
        if full:
            _check_full(at)
        if at.place.wish(what):
            print(f"{at.known.split.service}: the rollout that runs goes on.")
            return exits.DONE
        return _resume(at, what, Given(stack, service))

    return _at(stack, service, folder, act)


def _check_full(at: _At) -> None:
    """Raise CanaryError where the last weight cannot be set at once."""
    last = at.last()
    to = last.header.plan.steps[-1] if last is not None and last.rollout.can_resume else 100
    too_much = at.known.values.too_much(at.weight, to)
    if too_much:
        raise CanaryError(f"{too_much}: canary promote without --full goes on by steps")


def abort(stack: str | None, service: str | None, folder: Path) -> int:
    """Back to 0, whoever rolls out. Raises CanaryError."""
    with _stack_of(stack, service, folder) as (known, api, found):
        return _abort(_Place(api, known), found)


def _at(stack: str | None, service: str | None, folder: Path, act: Callable[[_At], int]) -> int:
    with _stack_of(stack, service, folder) as (known, api, found):
        return act(_At(folder, api, found, known, found.cluster(known)))


@contextmanager
def _stack_of(
    stack: str | None, service: str | None, folder: Path
) -> Iterator[tuple[StackView, Api, Stack]]:
    with Cli(stack) as cli:
        known = overview.of_stack(cli, folder, service)
        if len(known.split.versions) != 2:
            raise CanaryError(
                f"{known.split.service} has {len(known.split.versions)} versions: a rollout is "
                "from one to another"
            )
        with overview.api_of(known.split) as api:
            try:
                yield known, api, Stack(cli, folder, api, known)
            except OneLineError as error:
                raise CanaryError(str(error)) from None


def planned(known: StackView, weight: float, given: Given) -> Plan:
    """The plan that a stack's config and the command line make. Raises CanaryError."""
    split, limits = known.split, replace(limits_of(known), **dict(given.changes))  # type: ignore[arg-type]
    if limits.scrape > limits.interval:
        limits = replace(limits, scrape=limits.interval)
    if given.observes:
        if not weight:
            raise CanaryError(f"{split.canary} has 0 %: there is nothing to observe")
        steps: tuple[float, ...] = (weight,)
    else:
        steps = plan.steps_from(limits.steps, weight, given.to)
        plan.check_jumps(steps, weight, known.values)
    plan.check_pauses(given.pauses, steps)
    found = Plan(split.service, split.baseline, split.canary, limits, steps)
    return replace(found, pauses=given.pauses, observes=given.observes)


def limits_of(known: StackView) -> Limits:
    """Those of the stack's config. Raises CanaryError."""
    text = known.values.texts.get("canaryAnalysis")
    try:
        found: Limits = lazily.module("settings.analysis").read(text) if text else Limits()
    except lazily.module("settings.errors").SettingsError as error:
        raise CanaryError(str(error)) from None
    return found


def _run(at: _At, given: Given) -> int:
    if not given.observes:
        lease.must_be_free(at.cluster.rollout, "this split")
    if not at.cluster.agrees or at.cluster.in_force is None:
        raise CanaryError(findings.changed(at.known, at.cluster), exits.DRIFTED)
    found = planned(at.known, at.weight, given)
    if found.observes:
        begun = [lambda now: Begun(now, at.weight, given.loads)]
        with loading(at.api, at.known.split, given.load):
            return _drive(at, None, None, Rollout.of(found), [], begun, given)
    _check_config(at)
    # What no step could write is told before anything begins.
    at.stack.check(at.known, found.steps[0])
    held = at.place.held()
    with held.held(), loading(at.api, at.known.split, given.load):
        return _begin(at, held, found, given)


def _begin(at: _At, held: Held, found: Plan, given: Given) -> int:
    canary = at.stack.releases(at.known, found.canary)
    images = {found.canary: canary, found.baseline: at.stack.releases(at.known, found.baseline)}
    if SERVICES in at.known.values.secret:
        images = {}  # which the journal and its page would tell
    now = datetime.now(UTC)
    header = Header(
        f"{now:%Y%m%dT%H%M%SZ}",
        at.known.deployed.stack,
        found,
        who(),
        _commit(at.folder),
        images,
        canary,
    )
    with Writer.begin(at.folder, header) as writer:
        begun = [lambda now: Begun(now, at.weight, given.loads)]
        return _drive(at, held, writer, Rollout.of(found), canary, begun, given)


def _check_config(at: _At) -> None:
    """Raise CanaryError where the config is not what is in force: an update would set that."""
    canary = at.known.split.canary
    if at.known.configured is None:
        raise CanaryError(f"{at.known.deployed.settings} cannot be used: {at.known.problem}")
    configured = at.known.configured.get(canary, 0)
    if configured != at.weight:
        raise CanaryError(
            f"{at.known.deployed.settings} has {figures.percent(configured)} for {canary}, and "
            f"{figures.percent(at.weight)} is in force: run `pulumi up`, or `python -m canary set "
            f"{at.weight:g}`, first",
            exits.DRIFTED,
        )
    at.known.refuse_others()


def _resume(at: _At, wish: Wish | None, given: Given) -> int:
    found = at.last()
    if found is None:
        raise CanaryError(
            f"{at.folder / journal.FOLDER} has no journal of {at.known.split.service}: canary "
            f"run begins a rollout at {figures.percent(at.weight)}, with fresh evidence"
        )
    rollout = found.rollout
    if not rollout.can_resume:
        raise CanaryError(
            f"the last rollout of {at.known.split.service} is over ({rollout.phase}): canary run "
            "begins another"
        )
    if not rollout.phase.goes_back:
        _must_be_as_left(at, found, rollout)
    held = at.place.held()
    with held.held(), loading(at.api, at.known.split, given.load):
        return _go_on(at, held, found, rollout, wish, given)


def _must_be_as_left(at: _At, found: Journal, rollout: Rollout) -> None:
    canary = at.known.split.canary
    if not at.cluster.is_own:
        raise CanaryError(findings.changed(at.known, at.cluster), exits.DRIFTED)
    if at.weight not in (rollout.weight, rollout.wanted, rollout.tried):
        raise CanaryError(
            f"{figures.percent(rollout.weight)} was in force when the rollout ended, and now "
            f"{figures.percent(at.weight)} is: canary run begins another",
            exits.DRIFTED,
        )
    now = at.stack.releases(at.known, canary)
    change = checks.replaced(canary, found.header.canary_pods, now)
    if change:
        raise CanaryError(f"{change}: canary run begins another", exits.DRIFTED)


def _go_on(
    at: _At, held: Held, found: Journal, rollout: Rollout, wish: Wish | None, given: Given
) -> int:
    first: list[Callable[[float], Event]] = [
        lambda now: Resumed(now, at.weight, who(), given.loads)
    ]
    if wish is not None:
        first.append(lambda now: Wished(now, wish, who()))
    with Writer.resume(found) as writer:
        return _drive(at, held, writer, rollout, found.header.canary_pods, first, given)


def _drive(
    at: _At,
    held: Held | None,
    writer: Writer | None,
    rollout: Rollout,
    pods: list[str],
    first: Sequence[Callable[[float], Event]],
    given: Given,
) -> int:
    with terminal.display() as display, notifying(given.notify) as notifier:
        parts = Parts(at.stack, held, writer, telling(display, notifier))
        update = checks.identity(at.known.updates)
        code = Driver(parts, rollout, at.known, update, pods).run(*first)
    if not rollout.plan.observes:
        _tell_of_git(at.stack)
    return code


def telling(display: Display, notifier: Notifier | None) -> Tell:
    """What tells both of an event."""

    def tell(taken: Taken, stack: StackView, cluster: ClusterView | None) -> None:
        if notifier is not None:  # first: a terminal that is gone raises an error
            notifier.tell(taken, time.time())
        display.show(taken, stack, cluster)

    return tell


def _abort(place: _Place, stack: Stack) -> int:
    held = place.held()

    def renew() -> None:
        with suppress(CanaryError, OneLineError):
            held.renew(Phase.ABORTED, f"aborted by {who()}", 0)

    with ExitStack() as until:
        is_told = False
        try:
            is_told = place.wish(Wish.ABORT)
            if not is_told:
                # Others are kept from beginning a rollout while this waits for the stack's lock.
                until.enter_context(held.held(at_once=True))
                until.enter_context(holding.again_and_again(renew))
        except (CanaryError, OneLineError) as error:
            # Somebody else was faster with the lease, or it cannot be had: 0 needs none.
            _say(f"Without the rollout's lease: {error}")
        return _go_back(place.known, stack, is_told=is_told)


def _go_back(known: StackView, stack: Stack, *, is_told: bool) -> int:
    began, canary = time.monotonic(), known.split.canary
    said = ""
    while True:
        try:
            stack.go_back()
        except CanaryError as error:
            if time.monotonic() - began > _patience(error, is_told):
                raise CanaryError(str(error), _code(error)) from None
            if str(error) != said:
                said = str(error)
                _say(f"0 % is not done yet: {said}. Trying again.")
            # Two that try in step would find one another's lock each time.
            time.sleep(random.uniform(0.5, 2))  # noqa: S311
        else:
            break
    told = " The rollout that is under way is told." if is_told else ""
    _say(f"{canary}: 0 % is in force after {time.monotonic() - began:.1f} s.{told}")
    if known.others:
        _say(f"{' and '.join(known.others)}: as the config has them, by the same update.")
    _tell_of_git(stack)
    return exits.DONE


def _patience(error: CanaryError, is_told: bool) -> float:
    if isinstance(error, ChangedError):
        return CHANGED_SECONDS if is_told else CHANGED_SECONDS / 6
    return ABORT_SECONDS


def _code(error: CanaryError) -> int:
    return exits.DRIFTED if isinstance(error, ChangedError) else exits.CANNOT


def _tell_of_git(stack: Stack) -> None:
    """Where config or commit do not say what is in force, the next update would change it."""
    try:
        known = stack.view()
        found = [
            *findings.of_config(known, stack.tables(known)),
            *findings.of_commit(known, is_under_way=False),
        ]
    except CanaryError as error:
        _say(f"Whether the last commit says the same is not known: {error}")
        return
    for finding in found:
        _say(finding.text)


def _say(text: str) -> None:
    """A line; a terminal that is gone does not end a way back."""
    try:
        print(text, flush=True)
    except (OSError, ValueError):
        terminal.silence()


def _commit(folder: Path) -> str:
    try:
        return output(["git", "-C", str(folder), "rev-parse", "--short", "HEAD"]).strip()
    except CanaryError:
        return ""
