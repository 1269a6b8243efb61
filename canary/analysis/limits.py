"""What a canary may do before it is judged to have failed, and how a rollout goes on."""

import math
from dataclasses import dataclass

TESTS = 4
"""Success and latency, each against the baseline and against a limit: they share the false alarms.
"""


@dataclass(frozen=True)
class Limits:
    """The stack's config `canaryAnalysis`; docs/analysis.md says where each default is from."""

    interval: float = 60
    """Seconds that a step lasts at least, 10 or more."""
    scrape: float = 10
    """Seconds between two looks at the counters, at most the interval."""
    steps: tuple[float, ...] = (1, 5, 10, 25, 50, 100)
    """The weights of a rollout in percent, rising, with at most two decimals."""
    min_success_rate: float = 99
    """Percent of the canary's requests that must not fail."""
    max_latency_ms: int = 500
    """Milliseconds that at most one in a hundred of the canary's requests may exceed (its p99)."""
    odds_margin: float = 1.5
    """How many times the baseline's odds of failing, or of being slow, are still no difference."""
    min_effect_points: float = 0.5
    """Percentage points by which the canary must be worse before it fails."""
    latency_margin: float = 1.2
    """How many times the baseline's p95 a request may take before it is slow."""
    latency_margin_ms: int = 5
    """Milliseconds over the baseline's p95 that are never slow."""
    false_alarm_rate: float = 0.01
    """The part of rollouts without fault that may be ended, 0 to 1."""
    min_requests: int = 100
    """The canary's requests that a step needs before it can pass."""
    on_no_data: str = "hold"
    """What a step without them does: hold, go or abort."""
    max_hold: float = 600
    """Seconds that a hold may last."""
    scrape_errors: int = 4
    """The looks in a row that a linkerd may fail to answer before it is left out."""
    prometheus: str = ""
    """The URL of a Prometheus to read the counters from, or its service in the cluster as
    `namespace/service:port`. Empty: they are read from each linkerd."""
    prometheus_selector: str = ""
    """Label matchers by which linkerd's series are told from other clusters': `cluster="prod"`."""

    @property
    def interval_looks(self) -> int:
        """The looks of an interval."""
        return math.ceil(self.interval / self.scrape)

    @property
    def max_failure_rate(self) -> float:
        """0 to 1."""
        return 1 - self.min_success_rate / 100

    @property
    def evidence_limit(self) -> float:
        """The evidence at which one test fails the canary: 400 for a false alarm rate of 1 %."""
        return TESTS / self.false_alarm_rate

    @property
    def log_evidence_limit(self) -> float:
        """Its natural logarithm."""
        return math.log(self.evidence_limit)


SLOW_RATE = 0.01
"""The part of the requests that may be slower than max_latency_ms: the limit is for the p99."""
