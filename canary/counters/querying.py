"""Queries to a Prometheus, by its URL or as a service behind the API server's proxy."""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kube.api import Api, status_message, status_of
from kube.connection import Answer, to_website
from kube.errors import OneLineError

TOKEN = "LINKERD_CANARY_PROMETHEUS_TOKEN"  # noqa: S105 (the name of a variable)
"""The environment variable with the token that a Prometheus wants, where one is given."""

PATH = "/api/v1/query"


class QueryError(OneLineError):
    """A Prometheus that cannot be reached, refuses, or answers what is no answer."""


@dataclass(frozen=True)
class Series:
    """Raw samples."""

    labels: Mapping[str, str]
    """With `__name__`."""
    samples: Mapping[float, str]
    """The value by the time of the scrape, in seconds since 1970; the newest last."""


class Prometheus:
    """One Prometheus. Every method raises OneLineError.

    `send` gets a path with parameters.
    """

    def __init__(self, send: Callable[[str, Mapping[str, str]], Answer], where: str) -> None:
        self._send = send
        self.where = where
        """What a message calls it."""

    def now(self) -> float:
        """Seconds since 1970 by its clock."""
        data = self._query(query="time()")
        try:
            return float(data["result"][0])
        except (KeyError, IndexError, TypeError, ValueError):
            raise self._unknown("the time") from None

    def series(self, selector: str, seconds: int, at: float) -> list[Series]:
        """The samples of so many seconds up to a moment."""
        data = self._query(query=f"{selector}[{seconds}s]", time=f"{at:.3f}")
        try:
            return [
                Series(dict(each["metric"]), _samples(each["values"])) for each in data["result"]
            ]
        except (KeyError, TypeError, ValueError):
            raise self._unknown("series") from None

    def _query(self, **params: str) -> Mapping[str, Any]:
        answer = self._send(PATH, params)
        try:
            found = json.loads(answer.text)
            if answer.status == 200 and found["status"] == "success":
                return dict(found["data"])
            said = str(found.get("error") or status_message(answer))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            said = status_message(answer)
        raise self._refused(answer, said)

    def _refused(self, answer: Answer, said: str) -> QueryError:
        if status_of(answer):  # the API server's, in its place
            return QueryError(f"{self.where}: {answer.status}, {said}")
        hint = ": is it Prometheus?"
        if answer.status in (401, 403):
            hint = f": give a token by {TOKEN}, which takes its URL rather than a service"
        elif answer.content_type == "application/json":
            hint = ""
        return QueryError(f"{self.where} answers {answer.status}, {' '.join(said.split())}{hint}")

    def _unknown(self, what: str) -> QueryError:
        return QueryError(f"{self.where} does not answer with {what}: is it Prometheus?")


def _samples(values: Iterable[tuple[float, str]]) -> dict[float, str]:
    return {float(when): str(value) for when, value in values}


@contextmanager
def asking(api: Api, address: str) -> Iterator[Prometheus]:
    """The Prometheus at an address as `canaryAnalysis.prometheus` has it."""
    if "://" not in address:
        namespace, _, service = address.partition("/")
        name, _, port = service.partition(":")
        right = f"get on services/proxy of {service} in {namespace}"
        yield Prometheus(
            lambda path, params: api.get_proxied(
                "services", namespace, name, port, path, params, right=right
            ),
            f"Prometheus behind the service {address}",
        )
        return
    token = os.environ.get(TOKEN, "").strip()
    where = f"Prometheus at {address}"
    with to_website(address, where, token) as connection:
        yield Prometheus(lambda path, params: connection.send("GET", path, params=params), where)
