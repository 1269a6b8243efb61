"""A Dtab's namerd: by a URL, or as what keeps its tables in a cluster."""

from collections.abc import Iterator
from contextlib import contextmanager

from dynamic.client import Client
from dynamic.inputs import Target
from dynamic.objects import Objects
from dynamic.waiting import UP_SECONDS
from kube.api import Api
from kube.connection import to_cluster, to_url


@contextmanager
def to_namerd(url: str, up_seconds: float = UP_SECONDS) -> Iterator[Client]:
    """A namerd's HTTP API for one operation. Nothing is sent yet."""
    with to_url(url, f"namerd at {url}") as connection:
        yield Client(connection, up_seconds)


@contextmanager
def to_objects(target: Target, up_seconds: float = UP_SECONDS) -> Iterator[Objects]:
    """The tables of a cluster for one operation. Nothing is sent yet. Raises KubeconfigError."""
    with to_cluster(target.kubeconfig, target.context) as connection:
        yield Objects(Api(connection), str(target.service), up_seconds)
