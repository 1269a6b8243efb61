"""Requests of many who come once each."""

import threading
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
            with node.session() as session:
                try:
                    response = session.get(self.url, timeout=30)
                    said = "ok" if response.ok else f"{response.status_code} {response.text}"
                except (requests.ConnectionError, requests.Timeout):
                    said = "no connection"
                except Exception as error:  # or the thread would end unnoticed
                    said = repr(error)
            self.outcomes.append(said)
