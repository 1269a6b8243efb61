"""What is to be said of a canary, and which exit code each of it means."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from canary import exits, figures
from canary.analysis.recent import FEWEST_WAITING
from canary.analysis.share import Share
from canary.counters.measured import Measured, Traffic
from canary.counters.page import WINDOW_SECONDS
from canary.endpoints import Endpoints
from canary.lease import ACT, Lease
from canary.overview import ClusterView, StackView, Tables
from canary.stack.configured import CANARY_WEIGHT, Values
from canary.stack.split import Weights

SETTLING = timedelta(seconds=30)
"""After an update, for which windows may still be of the weight before: two, and some."""

_MOST_NODES = 3
"""Names that are shown of many."""

_WORST_FIRST = (exits.DRIFTED, exits.FAILED, exits.PAUSED, exits.HELD)


@dataclass(frozen=True)
class Finding:
    """One line, and the exit code that it gives."""

    text: str
    code: int = exits.DONE


def verdict(findings: list[Finding]) -> int:
    """The exit code of all findings together: that of the first kind that is among them."""
    codes = {finding.code for finding in findings}
    return next((code for code in _WORST_FIRST if code in codes), exits.DONE)


def of(stack: StackView, cluster: ClusterView, traffic: Traffic, now: datetime) -> list[Finding]:
    """Everything that is to be said, in the order that it is shown in."""
    return [
        *_of_rollout(stack, cluster.rollout, now),
        *_of_weights(stack, cluster, now),
        *of_commit(stack, cluster.rollout is not None),
        *_of_endpoints(stack, cluster),
        *_of_linkerds(cluster, traffic),
        *_of_scrapes(stack, cluster),
        *_of_waiting(cluster, traffic),
        *_of_share(stack, cluster, traffic, now),
    ]


def _of_rollout(stack: StackView, lease: Lease | None, now: datetime) -> Iterator[Finding]:
    if lease is None:
        return
    if lease.is_expired(now):
        at = f", at {lease.weight} %" if lease.weight else ""
        heard = f" since {_clock(lease.renewed)}" if lease.renewed else ""
        yield Finding(
            f"The rollout of {lease.who}{at} has not been heard of{heard}: canary run --resume "
            "goes on with it, canary abort goes back.",
            exits.HELD,
        )
        return
    code = {"Paused": exits.PAUSED, "Holding": exits.HELD}.get(lease.phase, exits.DONE)
    why = f" {lease.reason.rstrip('.')}." if lease.reason else ""
    yield Finding(
        f"{lease.runs(stack.split.canary)}: {lease.phase}.{why} {ACT}.",
        code,
    )


def _of_weights(stack: StackView, cluster: ClusterView, now: datetime) -> Iterator[Finding]:
    split = stack.split
    if cluster.in_force is None:
        yield Finding(
            f"The table {split.ways[0].table.namespace!r} does not split {split.service} any more: "
            "pulumi up --refresh puts it back.",
            exits.DRIFTED,
        )
        return
    held = cluster.rollout
    if cluster.is_own and held is not None and not held.is_expired(now):
        return  # a rollout writes: the stack was looked at before, or is not done yet
    if not cluster.agrees:
        yield Finding(changed(stack, cluster), exits.DRIFTED)
    yield from of_config(stack, cluster)


def of_config(stack: StackView, tables: Tables) -> Iterator[Finding]:
    """That the next update would set another weight than is in force."""
    settings, canary = stack.deployed.settings, stack.split.canary
    if stack.configured is None:
        yield Finding(f"{settings} cannot be used: {stack.problem}", exits.DRIFTED)
    elif stack.configured != tables.in_force and (
        tables.agrees or stack.configured != stack.weights
    ):
        yield Finding(
            f"{settings} has {_setting(stack, stack.values, stack.configured)}, and "
            f"{figures.percent((tables.in_force or {}).get(canary, 0))} is in force: the next "
            f"pulumi up sets {figures.percent(stack.configured.get(canary, 0))}.",
            exits.DRIFTED,
        )


def changed(stack: StackView, cluster: Tables) -> str:
    """That the table is not what the last update wrote, and who changed it."""
    split = stack.split
    live = cluster.in_force or {}
    shown = figures.weights([live.get(version, 0) for version in split.versions])
    if cluster.is_own:
        return (
            f"{shown} is in force by an update of this stack that did not come to its end. The "
            "next pulumi up brings the table to the config."
        )
    if live == stack.weights:
        return (
            f"Other entries of the tables of {split.service} were changed by {cluster.changed_by} "
            "(not by an update of this stack). pulumi up --refresh puts them back."
        )
    return (
        f"The table was changed to {shown} by {cluster.changed_by} (not by an update of this "
        "stack). pulumi up --refresh puts it back."
    )


def of_commit(stack: StackView, is_under_way: bool) -> Iterator[Finding]:
    """That the last commit does not say what the config does."""
    settings = stack.deployed.settings
    # While a rollout steps up, its weights are not to be committed yet.
    code = exits.DONE if is_under_way else exits.DRIFTED
    if stack.is_uncommitted:
        yield Finding(f"{settings} is not in the last commit. Commit it.", code)
    elif (
        stack.committed is not None
        and stack.committed_values is not None
        and stack.configured is not None
        and stack.committed != stack.configured
    ):
        then = figures.percent(stack.committed.get(stack.split.canary, 0))
        yield Finding(
            f"{settings} has {_setting(stack, stack.values, stack.configured)}, the last commit "
            f"has {_setting(stack, stack.committed_values, stack.committed)}: the next deployment "
            f"from it sets {then}. Commit it.",
            code,
        )


def _setting(stack: StackView, values: Values, weights: Weights) -> str:
    """`canaryWeight 10`, or `world-v2 at 10 %` where the service has weights of its own."""
    canary = stack.split.canary
    if values.follows_canary_weight(values.declared(stack.split)):
        return f"{CANARY_WEIGHT} {weights.get(canary, 0):g}"
    return f"{canary} at {figures.percent(weights.get(canary, 0))}"


def _of_endpoints(stack: StackView, cluster: ClusterView) -> Iterator[Finding]:
    in_force = cluster.in_force or {}
    for version, behind in cluster.endpoints.items():
        if in_force.get(version) and not behind.ready:
            others = [each for each in stack.split.versions if each != version]
            yield Finding(_without_endpoints(version, behind, others), exits.FAILED)


def _without_endpoints(version: str, behind: Endpoints, others: Sequence[str]) -> str:
    if behind.every:  # namerd finds the port of a service whose pods are all unready
        return f"{version} has no ready pod (0 of {behind.every}): the requests of its share fail."
    return f"{version} has no endpoints: its share goes to {' and '.join(others)}."


def _of_linkerds(cluster: ClusterView, traffic: Traffic) -> Iterator[Finding]:
    nodes: dict[str, list[str]] = {}
    for each in cluster.seen.unread:
        nodes.setdefault(each.problem, []).append(each.node)
    for problem, some in nodes.items():
        yield Finding(f"linkerd on {_listed(some)} is left out: {problem}")
    if not cluster.seen.readings:
        yield Finding(
            "No linkerd shows its counters: nothing is known of the traffic.", exits.FAILED
        )
    for node in traffic.left_out:
        yield Finding(f"linkerd on {node} began anew: it is left out for now.")


def _listed(nodes: Sequence[str]) -> str:
    """`a, b and 98 others`"""
    shown, rest = nodes[:_MOST_NODES], len(nodes) - _MOST_NODES
    if rest > 1:
        return f"{', '.join(shown)} and {rest} others"
    return " and ".join(filter(None, (", ".join(nodes[:-1]), nodes[-1])))


def _of_scrapes(stack: StackView, cluster: ClusterView) -> Iterator[Finding]:
    text = too_seldom(cluster, stack.limits.interval)
    if text:
        yield Finding(text)


def too_seldom(cluster: ClusterView, interval: float) -> str:
    """That steps of so many seconds see too few of Prometheus's scrapes; empty where not."""
    every = cluster.seen.every
    if not every or 2 * every <= interval:
        return ""
    return (
        f"Prometheus scrapes linkerd every {every:.0f} s, too seldom for steps of {interval:g} s: "
        f"set canaryAnalysis.interval to {math.ceil(3 * every)}s or more."
    )


def _of_waiting(cluster: ClusterView, traffic: Traffic) -> Iterator[Finding]:
    for name, version in cluster.names.items():
        found = traffic.by_name[name]
        if found.pending and not found.rated:
            weight = (cluster.in_force or {}).get(version, 0.0)
            waiting = "1 request is" if found.pending == 1 else f"{found.pending:,} requests are"
            yield Finding(
                f"{version} answers nothing: {waiting} waiting.",
                exits.FAILED if _hangs(found, weight, traffic) else exits.DONE,
            )


def _hangs(found: Measured, weight: float, traffic: Traffic) -> bool:
    """Whether a version that answered nothing hangs, and its requests are not just coming in.

    By two looks that are a window apart; or by others, if more wait than its weight in percent
    brings in a window, so that some have waited for longer.
    """
    if found.pending < FEWEST_WAITING:
        return False
    is_over_two_looks = not traffic.since_start and traffic.seconds >= WINDOW_SECONDS
    in_a_window = sum(each.per_second for each in traffic.by_name.values()) * WINDOW_SECONDS
    return is_over_two_looks or found.pending > in_a_window * weight / 100


def _of_share(
    stack: StackView, cluster: ClusterView, traffic: Traffic, now: datetime
) -> Iterator[Finding]:
    split = stack.split
    if cluster.in_force is None or not cluster.agrees or _is_settling(stack, cluster, now):
        return
    if any(each.ready == 0 for each in cluster.endpoints.values()):
        return  # which says why already
    weight = cluster.in_force.get(split.canary, 0.0)
    found = share_of(split.canary, cluster.names, traffic)
    if found.is_wrong(weight / 100, stack.limits.log_evidence_limit):
        yield Finding(wrong_share(split.canary, weight, found), exits.FAILED)


def share_of(version: str, names: Mapping[str, str], traffic: Traffic) -> Share:
    """A version's part of the requests; `names` give the version by bound name."""
    own = sum(traffic.by_name[name].rated for name, v in names.items() if v == version)
    return Share(traffic.rated, own)


def wrong_share(version: str, weight: float, found: Share) -> str:
    """That the weight is not what traffic does."""
    shown = figures.share(found.value, found.interval())
    return f"Weight {figures.percent(weight)}, but {shown} of requests reach {version}."


def _is_settling(stack: StackView, cluster: ClusterView, now: datetime) -> bool:
    # What Prometheus shows may be a scrape older, and a window older than that.
    settling = SETTLING + 2 * timedelta(seconds=cluster.seen.every or 0)
    return any(now - update.ended < settling for update in stack.updates[:1])


def _clock(time: datetime | None) -> str:
    """The time of day where it is read."""
    return time.astimezone().strftime("%H:%M") if time else "?"
