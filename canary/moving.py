"""Moving a split to a weight: checks first, then the config, then an update of its tables alone.

A weight that is refused leaves everything as it was, the config included. So the stack's settings
are put back where the update failed and the table is still the former one.
"""

import getpass
import socket
import time
from contextlib import ExitStack
from pathlib import Path

from canary import exits, figures, findings, lease, overview
from canary.errors import CanaryError
from canary.overview import ClusterView, StackView
from canary.sharing import wait_for_share
from canary.stack import history, targeted
from canary.stack.alone import alone
from canary.stack.cli import Cli
from canary.stack.settings import Settings
from canary.stack.split import Split
from kube import lazily
from kube.api import Api


def move(
    percent: str, stack: str | None, service: str | None, folder: Path, max_wait: float | None
) -> int:
    """Move the split of a service; the exit code. Waits so many seconds for the share, or not.

    Raises CanaryError.
    """
    weight = _weight(percent)
    with Cli(stack) as cli, ExitStack() as opened:
        with alone(folder):
            # What another command of this folder does first is seen.
            known = overview.of_stack(cli, folder, service)
            api = opened.enter_context(overview.api_of(known.split))
            settings = Settings(cli, folder / known.deployed.settings, known, weight)
            settings.check()
            known.refuse_others()
            _must_be_free(known, overview.of_cluster(api, known.split))
            _tell_what_is_left_out(known)
            _update(cli, api, known, settings, weight)
        if max_wait is None:
            return exits.DONE
        return wait_for_share(api, known.split, weight, known.limits, max_wait)


def _weight(text: str) -> float:
    try:
        found: float = lazily.module("settings.readers").percent(0)(text)
    except ValueError as error:
        raise CanaryError(f"the weight is {text!r}: {error}") from None
    return found


def _must_be_free(known: StackView, cluster: ClusterView) -> None:
    """Raise CanaryError where somebody else is at it."""
    lease.must_be_free(cluster.rollout, known.split.canary)
    if not cluster.is_own:
        raise CanaryError(findings.changed(known, cluster), exits.DRIFTED)


def _tell_what_is_left_out(known: StackView) -> None:
    left_out = history.not_deployed(known.updates, known.values)
    if left_out:
        _say(f"Not part of this update, and not deployed yet: {', '.join(left_out)}.")


def _update(cli: Cli, api: Api, known: StackView, settings: Settings, weight: float) -> None:
    split = known.split
    before = known.weights.get(split.canary, 0)
    began = time.monotonic()
    _say(f"{split.canary}: {figures.percent(before)} to {figures.percent(weight)} …")
    message = f"{history.MESSAGE} set {split.service} {weight:g} by {who()}"
    try:
        urns = [way.table.urn for way in split.ways]
        ended = targeted.up(cli, urns, message, settings.given)
    except BaseException:
        settings.put_back()
        raise
    if not ended.succeeded:
        _refuse(api, split, settings, ended)
    _say(f"{figures.percent(weight)} is in force after {time.monotonic() - began:.1f} s.")
    if ended.was_interrupted:
        raise KeyboardInterrupt


def _refuse(api: Api, split: Split, settings: Settings, ended: targeted.Ended) -> None:
    """Raise CanaryError with why, and with what is in force now."""
    code = exits.INTERRUPTED if ended.was_interrupted else exits.CANNOT
    try:
        after = overview.of_cluster(api, split)
    except CanaryError as error:
        raise CanaryError(
            f"{ended.error}; which table is in force is not known ({error}): look with `canary "
            "status`",
            code,
        ) from None
    if after.agrees:
        settings.put_back()
        raise CanaryError(f"{ended.error}; nothing was changed", code)
    if after.weight_of(split.canary) != settings.weight:
        settings.put_back()
    in_force = figures.percent(after.weight_of(split.canary))
    raise CanaryError(f"{ended.error}; {in_force} is in force by now", code)


def who() -> str:
    """user@host"""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "?"
    return f"{user}@{socket.gethostname()}"


def _say(text: str) -> None:
    print(text, flush=True)
