"""Pages of linkerd's counters as a test wants them, in the form of linkerd 1.7.5."""

from collections.abc import Mapping

DAEMONSET = "%/io.l5d.k8s.daemonset/linkerd/incoming/l5d/"
SIDECAR = "%/io.l5d.port/4141/"
WORLD = "#/io.l5d.k8s/hello-world/http/world"
QUANTILES = ("0", "0.5", "0.9", "0.95", "0.99", "0.999", "0.9999", "1")


def labels(client: str, service: str | None = "svc/world", router: str = "outgoing") -> str:
    """`rt="outgoing", client="…", service="svc/world"`"""
    of_service = "" if service is None else f', service="{service}"'
    return f'rt="{router}", client="{client}"{of_service}'


def version(
    client: str,
    requests: int,
    failures: int | None = None,
    *,
    service: str = "svc/world",
    router: str = "outgoing",
    pending: int = 0,
    refused: int | None = None,
    window: Mapping[str, int] | None = None,
    window_count: int = 0,
) -> str:
    """The lines of one version; without `failures` as before the first one."""
    of = labels(client, service, router)
    of_client = labels(client, None, router)
    lines = [
        f"rt:client:requests{{{of_client}}} {requests}",
        f"rt:client:service:requests{{{of}}} {requests}",
        f"rt:client:service:success{{{of}}} {requests - (failures or 0)}",
        f"rt:client:service:pending{{{of}}} {pending}.0",
        f"rt:client:pending{{{of_client}}} {pending}.0",
    ]
    if failures is not None:
        exception = ', exception="com.twitter.finagle.service.ResponseClassificationSynthetic"'
        lines += [
            f"rt:client:service:failures{{{of}}} {failures}",
            f"rt:client:failures{{{of_client}}} {failures}",
            f"rt:client:failures{{{of_client}{exception}}} {failures}",
            f"rt:client:service:failures:com_twitter_finagle_Synthetic{{{of}}} {failures}",
        ]
    if refused is not None:
        exception = ', exception="java.net.ConnectException"'
        lines += [
            f"rt:client:service_creation:failures{{{of_client}}} {refused}",
            f"rt:client:service_creation:failures{{{of_client}{exception}}} {refused}",
        ]
    if window is not None:
        total = window_count * window["0.5"]
        lines += [
            f"rt:client:service:request_latency_ms_count{{{of}}} {window_count}",
            f"rt:client:service:request_latency_ms_sum{{{of}}} {total}",
            f"rt:client:service:request_latency_ms_avg{{{of}}} {window['0.5']}.0",
            *(
                f'rt:client:service:request_latency_ms{{{of}, quantile="{q}"}} {window[q]}'
                for q in window
            ),
        ]
    return "\n".join(lines)


def page(*versions: str, started: float = 1764143000000.0) -> str:
    """A whole page, with much that no canary asks for."""
    return "\n".join(
        [
            "jvm:heap:used 83886080.0",
            f"jvm:start_time {started}",
            "jvm:uptime 120000.0",
            'rt:server:requests{rt="outgoing", server="0.0.0.0/4140"} 1074',
            'rt:service:requests{rt="outgoing", service="svc/world"} 1074',
            'rt:service:retries:total{rt="outgoing", service="svc/world"} 2',
            *versions,
            "",
        ]
    )


def steady(value: int) -> dict[str, int]:
    """A window in which every request took as long."""
    return dict.fromkeys(QUANTILES, value)
