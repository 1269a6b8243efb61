"""What a rollout says: one line each, with the numbers that it rests on."""

import math
from collections.abc import Mapping

from canary import figures
from canary.analysis.analysis import Analysis
from canary.analysis.differences import Reason
from canary.analysis.strata import NONE, Counts
from canary.analysis.verdict import Check, Kind, Verdict
from canary.rollout.plan import Plan

_LEFT_OUT = {
    Reason.RESTARTED: "linkerd on {} restarted: its requests since the last look are left out.",
    Reason.FELL: "The counters of linkerd on {} began anew: its requests since the last look are "
    "left out.",
    Reason.LOST: "linkerd on {} cannot be read any more: the others go on without it.",
    Reason.GONE: "linkerd on {} is gone.",
}


def duration(seconds: float) -> str:
    """`42 s`, `2 min 10 s`, `1 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        minutes, rest = divmod(whole, 60)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, rest = divmod(whole // 60, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def evidence(value: float) -> str:
    """`0.4`, `5,100`: as exact as it means something."""
    if value >= 1e6:
        return "over 1,000,000"
    if value >= 100:
        digits = 10 ** (math.floor(math.log10(value)) - 1)
        return f"{round(value / digits) * digits:,.0f}"
    return f"{value:.2g}"


def rate(counts: Counts) -> str:
    """`20.2 %`; never 0 % where one failed."""
    percent = 100 * counts.rate
    return f"{percent:.2g} %" if percent < 1 else f"{round(percent, 1):g} %"


def of(counts: Counts) -> str:
    """`21 of 104 requests (20.2 %)`"""
    return f"{counts.failures:,} of {counts.requests:,} requests ({rate(counts)})"


def step(plan: Plan, index: int) -> str:
    """That a step begins."""
    percent = figures.percent(plan.steps[index])
    return (
        f"Step {index + 1}/{len(plan.steps)}: {percent} to {plan.canary} for "
        f"{duration(plan.limits.interval)}."
    )


def counts(plan: Plan, verdict: Verdict) -> str:
    """`126 requests, none failed; world-v1 0.2 % of 1,074`"""
    canary, baseline = verdict.canary, verdict.baseline
    failed = f"{canary.failures:,} failed ({rate(canary)})" if canary.failures else "none failed"
    other = f"; {plan.baseline} {rate(baseline)} of {baseline.requests:,}"
    return f"{canary.requests:,} requests, {failed}{other if baseline.requests else ''}"


def passed(plan: Plan, analysis: Analysis, verdict: Verdict) -> str:
    """That a step passed, and what it could have missed."""
    smallest = analysis.smallest_seen()
    could = (
        f"a version failing {rate(Counts(1000, math.ceil(1000 * smallest)))} or more would have "
        "shown"
        if smallest is not None
        else "so few would have shown no failure rate"
    )
    return f"{figures.percent(verdict.weight)}: passed, {counts(plan, verdict)}; {could}."


def failed(plan: Plan, verdict: Verdict, check: Check) -> str:
    """That a check failed."""
    weight = figures.percent(verdict.weight)
    shown = f"(evidence {evidence(check.evidence)}, limit {evidence(math.exp(check.log_limit))})"
    return f"{weight}: {numbers(plan, check)} beyond chance {shown}."


def numbers(plan: Plan, check: Check) -> str:
    """What a check that failed has found, of both versions: without its evidence."""
    limits = plan.limits
    base = check.baseline
    if check.name == "success":
        says = f"{plan.canary} failed {of(check.canary)}"
        if base is not None:
            others = f"{base.failures:,} of {base.requests:,} ({rate(base)})"
            return f"{says}, {plan.baseline} {others}: worse"
        return f"{says}, where {100 * limits.max_failure_rate:g} % may: more than that"
    if base is not None:
        return (
            f"of {plan.canary}, at least {of(check.canary)} were slower than {plan.baseline} "
            f"usually is, of {plan.baseline} at most {base.failures:,} of {base.requests:,} "
            f"({rate(base)}): slower"
        )
    return (
        f"of {plan.canary}, at least {of(check.canary)} took longer than {limits.max_latency_ms} "
        "ms, where 1 % may: more than that"
    )


def held(plan: Plan, verdict: Verdict, seconds: float) -> str:
    """Why a step cannot pass now: a sentence, with the weight."""
    weight = figures.percent(verdict.weight)
    if verdict.kind is Kind.SHARE:
        return f"Weight {weight}, {_share(plan, verdict)}"
    return f"{weight}: {_why(plan, verdict, seconds)}"


def _why(plan: Plan, verdict: Verdict, seconds: float) -> str:
    canary, baseline = verdict.canary, verdict.baseline
    if verdict.kind is Kind.NO_DATA:
        refused = f", {verdict.refused:,} found no connection" if verdict.refused else ""
        waiting = f", {verdict.waiting:,} wait for an answer" if verdict.waiting else ""
        return (
            f"no data: {canary.requests:,} requests to {plan.canary} in {duration(seconds)}"
            f"{waiting}{refused}, {plan.limits.min_requests:,} are needed."
        )
    if verdict.kind is Kind.BOTH:
        if verdict.shared:
            return _shared(plan, verdict.shared)
        failed = f"failed {rate(baseline)}" if baseline.requests else "did while it ran"
        return (
            f"both versions break the limits of success or latency ({plan.baseline} {failed}, "
            f"{plan.canary} {rate(canary)}): not the canary."
        )
    if verdict.kind is Kind.HANGING:
        return f"{plan.canary} answers nothing: {verdict.waiting:,} requests are waiting."
    return f"the counters of {', '.join(verdict.unread)} cannot be read."


def _shared(plan: Plan, check: Check) -> str:
    """That both versions break the limit of a check, by all that is known and not only now."""
    baseline = check.shared.baseline if check.shared else NONE
    says = "both versions break the limits of success or latency:"
    if check.name == "success":
        return (
            f"{says} {plan.baseline} failed {of(baseline)}, {plan.canary} {of(check.canary)}; "
            "not the canary."
        )
    return (
        f"{says} at least {of(baseline)} of {plan.baseline} and {of(check.canary)} of "
        f"{plan.canary} took longer than {plan.limits.max_latency_ms} ms; not the canary."
    )


def _share(plan: Plan, verdict: Verdict) -> str:
    found = verdict.share
    says = f"{figures.share(found.value, found.interval())} of requests reach {plan.canary}"
    none = [node for node, share in verdict.wrong_shares.items() if not share.canary]
    return f"but {says}{'; none on ' + ', '.join(sorted(none)) if none else ''}."


def left_out(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """That requests of some linkerds do not count: once each."""
    return [
        _LEFT_OUT[Reason(why)].format(node)
        for node, why in now.items()
        if before.get(node) != why and why in _LEFT_OUT
    ]
