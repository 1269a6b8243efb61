"""AKS clusters: who may reach the API server, and for how long a version is looked after."""

import datetime
import re
from collections.abc import Iterator
from typing import Any

from policy.exposure import is_everything
from policy.rule import Hidden, Options, Rule, Seen, items

END_OF_SUPPORT = {
    "1.30": "2025-07-31",
    "1.31": "2025-11-30",
    "1.32": "2026-03-31",
    "1.33": "2026-06-30",
    "1.34": "2026-11-30",
    "1.35": "2027-03-31",
}
"""The last day of community support by minor version, from the AKS Kubernetes release calendar
(https://learn.microsoft.com/azure/aks/supported-kubernetes-versions). An older one is out of
support, a newer one is taken to be in it; the option `endOfSupport` adds to this."""

_LONG_TERM = datetime.timedelta(days=365)
"""What the support plan AKSLongTermSupport adds."""


def _is_cluster(type_: str) -> bool:
    return bool(re.fullmatch(r"azure-native:containerservice(/v\w+)?:ManagedCluster", type_))


def _access_violations(cluster: Seen, _: Options) -> Iterator[str]:
    private = cluster.at("apiServerAccessProfile", "enablePrivateCluster")
    ranges = cluster.at("apiServerAccessProfile", "authorizedIPRanges")
    closed = private is True or cluster.at("publicNetworkAccess") == "Disabled"
    if closed or isinstance(ranges, Hidden) or private is Hidden.UNKNOWN:
        return
    if not items(ranges):
        yield "its API server answers every address: set authorizedIpRanges"
    for text in items(ranges):
        if is_everything(text):
            yield f"its API server answers every address, by {text}: name who may call"


def _version_violations(cluster: Seen, options: Options) -> Iterator[str]:
    version = cluster.at("kubernetesVersion")
    if not isinstance(version, str):
        return  # Azure takes its default, which is in support
    found = re.fullmatch(r"v?(\d+\.\d+)(\.\d+)?", version)
    if not found:
        yield f"kubernetesVersion {version!r} is no version such as 1.36 or 1.36.2"
        return
    end = _last_day(found[1], {**END_OF_SUPPORT, **options.get("endOfSupport", {})})
    if end and cluster.at("supportPlan") == "AKSLongTermSupport":
        end += _LONG_TERM
    if end and end < datetime.datetime.now(datetime.UTC).date():
        yield (
            f"Kubernetes {version} has been out of support since {end}: set kubernetesVersion to "
            "a newer minor version"
        )


def _last_day(minor: str, known: dict[str, Any]) -> datetime.date | None:
    """The end of a minor version's support; None for one that is newer than all known."""
    if minor in known:
        return datetime.date.fromisoformat(str(known[minor]))
    oldest = min(known, key=_ordered)
    is_older = _ordered(minor) < _ordered(oldest)
    return datetime.date.fromisoformat(str(known[oldest])) if is_older else None


def _ordered(minor: str) -> tuple[int, ...]:
    return tuple(map(int, minor.split(".")))


CLOSED_API_SERVER = Rule(
    name="closed-api-server",
    description="An AKS cluster's API server does not answer every address.",
    types=_is_cluster,
    violations=_access_violations,
)

SUPPORTED_KUBERNETES = Rule(
    name="supported-kubernetes",
    description="An AKS cluster runs a version of Kubernetes that is in support.",
    types=_is_cluster,
    violations=_version_violations,
    options={
        "endOfSupport": {
            "type": "object",
            "patternProperties": {
                r"^\d+\.\d+$": {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"}
            },
            "additionalProperties": False,
            "description": 'Last days of support, such as {"1.35": "2027-03-31"}.',
        }
    },
)
