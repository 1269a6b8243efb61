"""A split as a screen, and as one line."""

from collections.abc import Mapping, Sequence

from canary import figures, findings
from canary.counters.measured import Measured, Traffic
from canary.findings import Finding
from canary.overview import ClusterView, StackView
from canary.stack.split import Weights

_LABEL = 13
_COLUMN = 24


def lines(
    stack: StackView,
    cluster: ClusterView,
    traffic: Traffic,
    found: Sequence[Finding],
    trends: Mapping[str, Sequence[float]] | None = None,
) -> list[str]:
    """The whole screen. `trends` are the rates of a while by version."""
    split = stack.split
    by_version = {cluster.names[name]: each for name, each in traffic.by_name.items()}
    of_time = _span(traffic)
    rows = [
        _row("", list(split.versions)),
        *_weights(stack, cluster),
        _row("share", [_share(v, cluster, traffic) for v in split.versions], of_time),
        _row(
            "requests/s",
            [_rate(by_version.get(v), (trends or {}).get(v, ())) for v in split.versions],
        ),
        _row(
            "success",
            [_success(by_version.get(v)) for v in split.versions],
            "since linkerd counts" if traffic.since_start else of_time,
        ),
        _row("latency", [_latency(by_version.get(v)) for v in split.versions], "last 10 s"),
        *_troubles(split.versions, by_version),
        _row("endpoints", [_endpoints(v, cluster) for v in split.versions]),
    ]
    return [_title(stack), *rows, *(finding.text for finding in found)]


def one_line(
    stack: StackView, cluster: ClusterView, traffic: Traffic, found: Sequence[Finding]
) -> str:
    """What a screen says, on one line."""
    by_version = {cluster.names[name]: each for name, each in traffic.by_name.items()}
    parts = []
    for version in stack.split.versions:
        weight = (cluster.in_force or {}).get(version, 0)
        measured = by_version.get(version)
        parts.append(
            f"{version} {figures.percent(weight)}, share {_share(version, cluster, traffic)}, "
            f"{_rate(measured, ())}/s, success {_success(measured)}"
        )
    said = " ".join(finding.text for finding in found)
    return f"{stack.split.service}: {'; '.join(parts)}{'. ' + said if said else ''}"


def _title(stack: StackView) -> str:
    split, last = stack.split, stack.last
    about = f"{split.service}  canary of {split.canary} over {split.baseline}"
    where = f"stack {stack.deployed.stack}"
    if last is not None:
        number = f"update {last.number}" if last.number else "update"
        when = last.began.astimezone().strftime("%Y-%m-%d %H:%M")
        where += f" · weights by {number} of {when} ({last.by})"
    return f"{about}    {where}"


def _row(label: str, cells: Sequence[str], note: str = "") -> str:
    shown = f"{label:<{_LABEL}}" + "".join(f"{cell:>{_COLUMN}}" for cell in cells)
    return f"{shown}   {note}".rstrip()


def _weights(stack: StackView, cluster: ClusterView) -> list[str]:
    versions, in_force = stack.split.versions, cluster.in_force

    def row(label: str, given: Weights | None, against: Weights | None, none: str) -> str:
        cells = [figures.percent(given.get(v, 0)) if given else none for v in versions]
        differs = given is not None and against is not None and given != against
        return _row(label, cells, "≠ in force" if differs else "")

    return [
        _row(
            "weight",
            [figures.percent(in_force.get(v, 0)) if in_force else "none" for v in versions],
            "" if cluster.agrees else "≠ the last update",
        ),
        row("configured", stack.configured, in_force, "not usable"),
        row("committed", stack.committed, in_force, "–"),
    ]


def _share(version: str, cluster: ClusterView, traffic: Traffic) -> str:
    share = findings.share_of(version, cluster.names, traffic)
    return figures.share(share.value, share.interval()) if share.attempts else "no requests"


def _rate(measured: Measured | None, trend: Sequence[float]) -> str:
    shown = f"{measured.per_second:.1f}" if measured else "0.0"
    return f"{shown}  {figures.trend(trend)}" if trend else shown


def _success(measured: Measured | None) -> str:
    counts = measured.counts if measured else None
    return figures.success(counts.requests, counts.failures) if counts else "no requests"


def _latency(measured: Measured | None) -> str:
    if measured is None or measured.median_ms is None:
        return "no requests"
    median = f"p50 {measured.median_ms:g}"
    if measured.high is None or measured.high_ms is None:
        return f"{median} ms"
    return f"{median} p{round(100 * measured.high):g} {measured.high_ms:g} ms"


def _troubles(versions: Sequence[str], by_version: Mapping[str, Measured]) -> list[str]:
    """Rows that are there only where there is something to say."""
    found = []
    for label, numbers in (
        ("waiting", [by_version[v].pending if v in by_version else 0 for v in versions]),
        ("refused", [by_version[v].refused if v in by_version else 0 for v in versions]),
    ):
        if any(numbers):
            found.append(_row(label, [f"{each:,}" for each in numbers]))
    return found


def _endpoints(version: str, cluster: ClusterView) -> str:
    behind = cluster.endpoints.get(version)
    return f"{behind.ready} of {behind.every}" if behind else "–"


def _span(traffic: Traffic) -> str:
    return f"last {traffic.seconds:.0f} s"
