"""Requests of many who come once each."""

import threading
import time
from dataclasses import dataclass, field

import requests

from local import node


@dataclass
class Visitors:
    """Requests of some visitors at a time, each on a connection of its own."""

    url: str
    at_once: int = 4
    pause: float = 0.05
    """Seconds between two requests of one."""
    outcomes: list[str] = field(default_factory=list)
    """`ok`, `no connection`, or what else came, in the order of their ends."""
    reasons: list[str] = field(default_factory=list)
    """Of each outcome that is not `ok`: when and why, for people to read."""

    def __enter__(self) -> "Visitors":
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._visit) for _ in range(self.at_once)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def failures(self) -> list[str]:
        """What came instead of an answer."""
        return [each for each in self.outcomes if each != "ok"]

    def _visit(self) -> None:
        while not self._stop.wait(self.pause):
            began = time.time()
            said, why = self._ask()
            self.outcomes.append(said)
            if said != "ok":
                begun = time.strftime("%H:%M:%S", time.localtime(began))
                self.reasons.append(f"{begun}, {time.time() - began:.1f} s: {why or said}")

    def _ask(self) -> tuple[str, str]:
        """What came, and why it did."""
        with node.session() as session:
            try:
                response = session.get(self.url, timeout=30)
            except (requests.ConnectionError, requests.Timeout) as error:
                return "no connection", repr(error)
            except Exception as error:  # or the thread would end unnoticed
                return repr(error), ""
        return "ok" if response.ok else f"{response.status_code} {response.text}", ""
