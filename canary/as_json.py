"""A split as JSON, for other programs: docs/rollout.md describes each field.

Fields are added, never renamed or dropped, as long as `version` is 1.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from canary import findings
from canary.counters.measured import Measured, Traffic
from canary.findings import Finding
from canary.lease import Lease
from canary.overview import ClusterView, StackView
from canary.stack.history import Update

VERSION = 1


def document(
    stack: StackView,
    cluster: ClusterView,
    traffic: Traffic,
    found: Sequence[Finding],
    now: datetime,
) -> dict[str, Any]:
    """Percents are 0 to 100, shares 0 to 1, times ISO 8601 in UTC; null is what is not known."""
    split = stack.split
    return {
        "version": VERSION,
        "time": now.isoformat(timespec="milliseconds"),
        "stack": stack.deployed.stack,
        "service": split.service,
        "baseline": split.baseline,
        "canary": split.canary,
        "weights": {
            "inForce": cluster.in_force,
            "deployed": stack.weights,
            "configured": stack.configured,
            "committed": stack.committed,
        },
        "tablesAsDeployed": cluster.agrees,
        "changedBy": cluster.changed_by or None,
        "update": _update(stack.last),
        "measured": {
            "seconds": round(traffic.seconds, 3),
            "requestsSinceStart": traffic.since_start,
            "linkerds": [each.node for each in cluster.seen.readings],
            "unread": [
                {"node": each.node, "problem": each.problem} for each in cluster.seen.unread
            ],
            "leftOut": list(traffic.left_out),
        },
        "versions": [_version(v, cluster, traffic) for v in split.versions],
        "rollout": _rollout(cluster.rollout, now),
        "findings": [{"text": each.text, "code": each.code} for each in found],
        "exit": findings.verdict(list(found)),
    }


def _version(version: str, cluster: ClusterView, traffic: Traffic) -> dict[str, Any]:
    names = [name for name, each in cluster.names.items() if each == version]
    share = findings.share_of(version, cluster.names, traffic)
    behind = cluster.endpoints.get(version)
    low, high = share.interval()
    return {
        "name": version,
        "boundName": names[0] if names else None,
        "weight": (cluster.in_force or {}).get(version),
        "share": {"value": share.value, "low": low, "high": high} if share.attempts else None,
        "endpoints": {"ready": behind.ready, "all": behind.every} if behind else None,
        **_traffic(traffic.by_name[names[0]] if names else None),
    }


def _traffic(found: Measured | None) -> dict[str, Any]:
    if found is None:
        return dict.fromkeys(
            ("requestsPerSecond", "requests", "failures", "waiting", "refused", "latencyMs")
        )
    latency = None
    if found.median_ms is not None:
        latency = {"p50": found.median_ms}
        if found.high is not None and found.high_ms is not None:
            latency[f"p{round(100 * found.high):g}"] = found.high_ms
    return {
        "requestsPerSecond": round(found.per_second, 3),
        "requests": found.counts.requests,
        "failures": found.counts.failures,
        "waiting": found.pending,
        "refused": found.refused,
        "latencyMs": latency,
    }


def _update(last: Update | None) -> dict[str, Any] | None:
    if last is None:
        return None
    return {"number": last.number or None, "began": last.began.isoformat(), "by": last.by}


def _rollout(lease: Lease | None, now: datetime) -> dict[str, Any] | None:
    if lease is None:
        return None
    return {
        "holder": lease.holder,
        "since": lease.since.isoformat() if lease.since else None,
        "phase": lease.phase,
        "reason": lease.reason or None,
        "weight": float(lease.weight) if lease.weight else None,
        "expired": lease.is_expired(now),
    }
