"""AKS clusters: who may reach the API server, and for how long a version is looked after."""

import datetime
import re
from collections.abc import Iterator, Mapping

from policy.exposure import everything
from policy.rule import Options, Rule, Seen, Unknown, items, judged, shown

END_OF_SUPPORT: Mapping[str, tuple[str, str]] = {
    "1.29": ("2025-03-31", "2026-04-30"),
    "1.30": ("2025-08-22", "2026-07-31"),
    "1.31": ("2025-11-01", "2026-11-30"),
    "1.32": ("2026-03-31", "2027-03-31"),
    "1.33": ("2026-07-31", "2027-07-31"),
    "1.34": ("2026-11-30", "2027-11-30"),
    "1.35": ("2027-03-31", "2028-03-31"),
    "1.36": ("2027-06-30", "2028-06-30"),
    "1.37": ("2027-10-31", "2028-10-31"),
}
"""The last days of community and of long-term support by minor version.

From the AKS Kubernetes release calendar as of 2026-08-05
(https://learn.microsoft.com/azure/aks/supported-kubernetes-versions). A version older than all of
these is out of support, a newer one is taken to be in it. The option `endOfSupport` gives other
days, for both plans.
"""


def _is_cluster(type_: str) -> bool:
    return bool(re.fullmatch(r"azure-native:containerservice(/v\w+)?:ManagedCluster", type_))


def _access_violations(cluster: Seen, _: Options) -> Iterator[str]:
    private = cluster.at("apiServerAccessProfile", "enablePrivateCluster")
    ranges = cluster.at("apiServerAccessProfile", "authorizedIPRanges")
    closed = private is True or cluster.at("publicNetworkAccess") == "Disabled"
    if closed or isinstance(ranges, Unknown) or isinstance(private, Unknown):
        return
    if not items(ranges):
        yield "its API server answers every address: set authorizedIpRanges"
    for text in everything(items(ranges)):
        yield f"its API server answers every address, by {text}: name who may call"


def _version_violations(cluster: Seen, options: Options) -> Iterator[str]:
    given = cluster.at("kubernetesVersion")
    version = judged(given)
    if not isinstance(version, str):
        return  # Azure takes its default, which is in support
    found = re.fullmatch(r"v?(\d+\.\d+)(\.\d+)?", version)
    if not found:
        yield f"kubernetesVersion {shown(given)} is no version such as 1.36 or 1.36.2"
        return
    is_long_term = cluster.at("supportPlan") == "AKSLongTermSupport"
    end = _last_day(found[1], _calendar(is_long_term, options))
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    if end and end < today:
        yield (
            f"Kubernetes {shown(given)} has been out of support since {end}: set "
            "kubernetesVersion to a newer minor version"
        )


def _calendar(is_long_term: bool, options: Options) -> Mapping[str, str]:
    """The last day of support by minor version."""
    known = {minor: days[is_long_term] for minor, days in END_OF_SUPPORT.items()}
    return {**known, **options.get("endOfSupport", {})}


def _last_day(minor: str, known: Mapping[str, str]) -> str:
    """The end of a minor version's support; "" for one that is newer than all known."""
    oldest = min(known, key=_ordered)
    return known.get(minor) or (known[oldest] if _ordered(minor) < _ordered(oldest) else "")


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
            "description": 'Other last days of support, such as {"1.37": "2027-10-31"}.',
        }
    },
)
