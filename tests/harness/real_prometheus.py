"""A real Prometheus, Debian's, which scrapes what a test tells it to."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from local import debs
from local.debs import Packages
from tests.harness.processes import Process, free_port, running
from tests.harness.waiting import wait_until

PACKAGE = Packages("deb-prometheus", ("prometheus",), is_alone=True)
SCRAPE_SECONDS = 1
TARGETS = "targets.json"


@dataclass(frozen=True)
class Scraped:
    """A target."""

    address: str
    path: str
    labels: Mapping[str, str]


class RealPrometheus:
    """A Prometheus that runs; its targets may change."""

    def __init__(self, port: int, listed: Path) -> None:
        self.port, self._listed = port, listed

    @property
    def url(self) -> str:
        """Where its HTTP API is."""
        return f"http://127.0.0.1:{self.port}"

    def scrape(self, *targets: Scraped) -> None:
        """Scrape these from now on, and no others."""
        groups = [
            {"targets": [each.address], "labels": {**each.labels, "__metrics_path__": each.path}}
            for each in targets
        ]
        new = self._listed.with_suffix(".new")
        new.write_text(json.dumps(groups))
        new.rename(self._listed)
        wait_until(lambda: self._scrapes(targets), "the targets are scraped", seconds=120)

    def _scrapes(self, targets: Sequence[Scraped]) -> bool:
        """Whether it scrapes these, and no others."""
        answer = requests.get(f"{self.url}/api/v1/targets", {"state": "active"}, timeout=60)
        found = [each for each in answer.json()["data"]["activeTargets"] if each["health"] == "up"]
        return len(found) == len(targets) and all(
            any(each.labels.items() <= one["labels"].items() for one in found) for each in targets
        )

    def query(self, query: str) -> list[dict[str, Any]]:
        """What an instant query finds."""
        answer = requests.get(f"{self.url}/api/v1/query", {"query": query}, timeout=60)
        found: list[dict[str, Any]] = answer.json()["data"]["result"]
        return found

    def wait_for_scrapes(self, number: int, count: int = 1) -> None:
        """Until so many targets have been scraped so many times from now on."""
        began = float(self.query("vector(time())")[0]["value"][1])

        def are_scraped() -> bool:
            elapsed = float(self.query("vector(time())")[0]["value"][1]) - began
            found = self.query(f"count_over_time(jvm:start_time[{int(elapsed * 1000) or 1}ms])")
            return sum(int(each["value"][1]) >= count for each in found) >= number

        wait_until(are_scraped, f"{number} targets are scraped {count} times", seconds=120)


def command(folder: Path, port: int, honours: bool = False) -> Sequence[str | Path]:
    """What runs one on loopback, with its data in a folder."""
    program = debs.unpacked(PACKAGE) / "usr/bin/prometheus"
    config, listed = folder / "prometheus.json", folder / TARGETS
    listed.write_text("[]")
    job = {
        "job_name": "linkerd",
        "honor_labels": honours,
        "file_sd_configs": [{"files": [str(listed)], "refresh_interval": "1s"}],
    }
    every = {"scrape_interval": f"{SCRAPE_SECONDS}s", "scrape_timeout": f"{SCRAPE_SECONDS}s"}
    config.write_text(json.dumps({"global": every, "scrape_configs": [job]}))
    return (
        program,
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    )


@contextmanager
def real_prometheus(folder: Path, honours: bool = False) -> Iterator[RealPrometheus]:
    """Run one."""
    port = free_port()
    with running(command(folder, port, honours), folder / "prometheus.log") as process:
        yield ready(folder, port, process)


def ready(folder: Path, port: int, process: Process) -> RealPrometheus:
    """One that was started, once it answers at a port."""
    found = RealPrometheus(port, folder / TARGETS)
    process.wait_until(lambda: _is_ready(found.url), "Prometheus is ready")
    return found


def _is_ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/-/ready", timeout=5).status_code == 200
    except requests.RequestException:
        return False
