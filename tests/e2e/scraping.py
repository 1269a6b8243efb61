"""A real Prometheus that scrapes the linkerds of the local nodes, through the API server."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from canary.counters import page
from mesh import routers
from tests.e2e.cluster import Cluster
from tests.e2e.told import MESH, pods
from tests.harness.kubectl_proxy import kubectl_proxy
from tests.harness.real_prometheus import RealPrometheus, Scraped, real_prometheus


@contextmanager
def scraping(cluster: Cluster, folder: Path) -> Iterator[RealPrometheus]:
    """Every linkerd on the nodes has been scraped when the block begins."""
    with kubectl_proxy(cluster.command(), folder) as url, real_prometheus(folder) as found:
        names = [pod["metadata"]["name"] for pod in pods(cluster, MESH, "l5d")]
        found.scrape(*(_scraped(url, name) for name in names))
        found.wait_for_scrapes(len(names))
        yield found


def _scraped(url: str, name: str) -> Scraped:
    path = f"/api/v1/namespaces/{MESH}/pods/{name}:{routers.ADMIN}/proxy{page.PATH}"
    return Scraped(urlsplit(url).netloc, path, {"pod": name})
