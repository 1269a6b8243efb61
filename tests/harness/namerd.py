"""A namerd on loopback, by default with its tables in memory, and what a test does to it by hand.

By default the stand-in; the tests that use it hold on the real one as well.
"""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from local import standins
from tests.harness.processes import Process, free_port, running

DTAB = "application/dtab"


class Namerd:
    """A running namerd, spoken to without any code of the project's."""

    def __init__(self, url: str, admin: str) -> None:
        self.url = url
        self.admin = admin

    def get(self, namespace: str) -> str | None:
        """The canonical text of a table, or None."""
        answer = self._ask("GET", namespace, headers={"Accept": DTAB})
        return None if answer.status_code == 404 else answer.text.strip()

    def version(self, namespace: str) -> str:
        return str(self._ask("GET", namespace).headers["Etag"])

    def put(self, namespace: str, table: str) -> None:
        """Write a table, whatever is there."""
        assert self._ask("PUT", namespace, table).status_code == 204

    def delete(self, namespace: str) -> None:
        assert self._ask("DELETE", namespace).status_code == 204

    def addresses(self, path: str) -> list[dict[str, Any]]:
        """The endpoints behind a bound name, such as `/#/io.l5d.k8s/apps/http/world`."""
        query = {"path": path}
        answer = requests.get(f"{self.url}/api/1/addr/any", params=query, timeout=60)
        found: list[dict[str, Any]] = answer.json().get("addrs", [])
        return found

    def _ask(self, method: str, namespace: str, table: str | None = None, **more: Any) -> Any:
        if table is not None:
            more["headers"] = {"Content-Type": DTAB}
        url = f"{self.url}/api/1/dtabs/{namespace}"
        return requests.request(method, url, data=table, timeout=60, **more)

    def is_up(self) -> bool:
        try:
            return requests.get(f"{self.url}/api/1/dtabs", timeout=5).ok
        except requests.RequestException:
            return False


@contextmanager
def namerd(folder: Path, port: int | None = None, **config: Any) -> Iterator[Namerd]:
    """Start one on a free port, or a given one, and end it afterwards.

    `config` adds to the configuration or replaces parts of it: `namers`, `storage`.
    """
    with started(folder, port, **config) as (found, _):
        yield found


@contextmanager
def started(
    folder: Path, port: int | None = None, **config: Any
) -> Iterator[tuple[Namerd, Process]]:
    """The same, with its process."""
    port, admin = port or free_port(), free_port()
    whole = {
        "admin": {"ip": "127.0.0.1", "port": admin},
        "storage": {"kind": "io.l5d.inMemory", "namespaces": {}},
        "namers": [],
        "interfaces": [{"kind": "io.l5d.httpController", "ip": "127.0.0.1", "port": port}],
        **config,
    }
    with tempfile.NamedTemporaryFile("w", suffix=".json", dir=folder) as file:
        json.dump(whole, file)
        file.flush()
        command: list[str | Path] = [standins.mesh_binaries() / "namerd", file.name]
        with running(command, folder / "namerd.log") as process:
            found = Namerd(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{admin}")
            process.wait_until(found.is_up, f"namerd answers at {found.url}")
            yield found, process
