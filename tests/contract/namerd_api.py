"""namerd's HTTP API, as tests ask it."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from tests.contract.talk import Answer, Stream, Talker

DTAB = "application/dtab"
LAG = 120.0
"""Seconds that a read may lag behind a write before a test gives up, on a loaded machine."""

T = TypeVar("T")


class NamerdApi:
    """The API below /api/1."""

    def __init__(self, talker: Talker) -> None:
        self.talker = talker

    def ask(
        self,
        method: str,
        namespace: str,
        body: str | None = None,
        content_type: str | None = DTAB,
        **headers: str,
    ) -> Answer:
        """A request for the table of a namespace; `If_Match` and its like become headers."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None and content_type is not None:
            named["Content-Type"] = content_type
        return self.talker.ask(method, f"/api/1/dtabs/{namespace}", named, body)

    def must(self, method: str, namespace: str, status: int, body: str | None = None) -> Answer:
        """A request that a test needs, and that is no part of what it looks at."""
        answer = self.ask(method, namespace, body)
        assert answer.status == status, (method, namespace, answer)
        return answer

    def write(self, namespace: str, table: str) -> None:
        """Write a table and wait until it is read."""
        before = self.ask("GET", namespace).headers.get("etag")
        self.must("PUT", namespace, 204, table)
        after = self.read_until(namespace, lambda answer: answer.headers.get("etag") != before)
        assert after.headers["etag"] != before, "the table that was written is never read"

    def read(self, namespace: str) -> str:
        answer = self.ask("GET", namespace, Accept=DTAB)
        assert answer.status == 200, answer
        return answer.text.strip()

    def read_until(self, namespace: str, expected: Callable[[Answer], bool]) -> Answer:
        """Read the canonical text again until it is as expected: reads may lag behind writes."""
        return until(lambda: self.ask("GET", namespace, Accept=DTAB), expected)

    def version(self, namespace: str) -> str:
        return self.ask("GET", namespace).headers["etag"]

    def forget(self, namespace: str) -> None:
        """Remove a namespace if it is there."""
        answer = self.ask("DELETE", namespace)
        assert answer.status in (204, 404), answer
        self.read_until(namespace, lambda answer: answer.status == 404)

    def delegate(self, namespace: str, path: str, **query: str) -> Answer:
        return self._names("delegate", namespace, path, **query)

    def bind(self, namespace: str, path: str, **query: str) -> Answer:
        return self._names("bind", namespace, path, **query)

    def bound(self, namespace: str, path: str, **query: str) -> Any:
        return self.bind(namespace, path, **query).json

    def addr(self, namespace: str, path: str) -> Answer:
        return self._names("addr", namespace, path)

    def _names(self, kind: str, namespace: str, path: str, **query: str) -> Answer:
        return self.talker.get(f"/api/1/{kind}/{namespace}", None, **{"path": path, **query})

    def watch(self, kind: str, namespace: str, **query: str) -> AbstractContextManager[Stream]:
        return self.talker.watch(f"/api/1/{kind}/{namespace}", **query)


def until(
    ask: Callable[[], T], expected: Callable[[T], bool], seconds: float = LAG, pause: float = 0.02
) -> T:
    """Ask again until the answer is as expected; it is what it is after the time."""
    deadline = time.monotonic() + seconds
    while not expected(answer := ask()) and time.monotonic() < deadline:
        time.sleep(pause)
    return answer


def weights(tree: Any) -> dict[str, float]:
    """The leaves of a bound tree by their names, with their share of a draw."""
    if tree["type"] == "leaf":
        return {tree["bound"]["id"]: 1.0}
    if tree["type"] != "union":
        return {}
    total = sum(branch["weight"] for branch in tree["union"])
    return {
        name: share * branch["weight"] / total
        for branch in tree["union"]
        for name, share in weights(branch["tree"]).items()
    }
