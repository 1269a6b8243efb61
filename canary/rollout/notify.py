"""Telling a URL what happens: the JSON of Flagger's event webhook, with the numbers besides.

A notification that cannot be sent is one line, and never stops a rollout.
"""

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import requests

from canary.rollout.machine import Rollout, Taken

SECONDS = 5.0
"""How long one request may take, and how long the last ones are waited for."""


class Notifier:
    """Sends in the background, in order."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._queue: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._problem = ""
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()

    def tell(self, taken: Taken, at: float) -> None:
        """Send each line that an event has led to."""
        for line in taken.lines:
            self._queue.put(document(taken.rollout, line.text, at, warns=line.warns))

    def close(self) -> None:
        """Let the last ones go out."""
        self._queue.put(None)
        self._thread.join(2 * SECONDS)

    def _send(self) -> None:
        while (body := self._queue.get()) is not None:
            problem = self._post(body)
            if problem and problem != self._problem:
                with suppress(OSError, ValueError):  # the terminal is gone: the next ones go out
                    print(f"The notification could not be sent: {problem}.", flush=True)
            self._problem = problem

    def _post(self, body: dict[str, Any]) -> str:
        """Why it could not be sent; empty where it was. The URL, maybe a secret, is not told."""
        try:
            # A POST that is redirected may become a GET without a body.
            answer = requests.post(self._url, json=body, timeout=SECONDS, allow_redirects=False)
        except Exception as error:  # urllib3 has others than requests' own; the next are sent yet
            return type(error).__name__
        return "" if 200 <= answer.status_code < 300 else f"it answers {answer.status_code}"


@contextmanager
def notifying(url: str | None) -> Iterator[Notifier | None]:
    """A notifier, where there is a URL."""
    if url is None:
        yield None
        return
    notifier = Notifier(url)
    try:
        yield notifier
    finally:
        notifier.close()


def document(rollout: Rollout, text: str, at: float, *, warns: bool) -> dict[str, Any]:
    """Flagger's fields, and `text`, `weight`, `verdict` and the step's counts."""
    found: dict[str, Any] = {
        "name": rollout.plan.canary,
        "namespace": rollout.plan.service,
        "phase": str(rollout.phase),
        "metadata": {
            "eventMessage": text,
            "eventType": "Warning" if warns else "Normal",
            "timestamp": str(round(1000 * at)),
        },
        "text": text,
        "weight": rollout.weight,
        "verdict": None,
    }
    if rollout.step >= 0:
        verdict = rollout.analysis.verdict()
        found["verdict"] = str(verdict.kind)
        for name, counts in (("baseline", verdict.baseline), ("canary", verdict.canary)):
            found[name] = {"requests": counts.requests, "failures": counts.failures}
    return found
