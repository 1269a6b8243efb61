"""The Dtab resource: each operation against the bare HTTP calls in it, and `up` of many tables."""

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from bench.report import Bound, Ratio, median
from dynamic.dtab import DtabProvider
from local.paths import ROOT
from tests.engine.tables import BASE, V1, V2, WORLD, dtab, text
from tests.harness.engine import stack
from tests.harness.namerd import Namerd, namerd
from tests.provider_host import ProviderHost, Stack, provider_host

ROUNDS = 40
MANY = (1, 10, 100)
"""Tables of one program."""

PROGRAM = ROOT / "tests" / "engine" / "programs" / "dtab.py"
DTAB = {"Content-Type": "application/dtab"}


def main() -> None:
    """Measure, and print each figure against its peer."""
    with tempfile.TemporaryDirectory() as folder, namerd(Path(folder)) as found:
        with provider_host(PULUMI_HOME=folder) as host:
            _operations(found, host)
        _ups(found, Path(folder))


def _operations(found: Namerd, host: ProviderHost) -> None:
    """Operations through the gRPC host, and the same requests by a session of `requests`."""
    resource, bare = Stack(host, DtabProvider()), Bare(found.url)
    by_provider: dict[str, Callable[[], object]] = {
        "create": lambda: resource.up(dtab(found.url, 10)),
        "update": lambda: resource.up(dtab(found.url, 20)),
        "no change": lambda: resource.up(dtab(found.url, 20)),
        "read": resource.refresh,
        "delete": resource.destroy,
    }
    by_hand: dict[str, Callable[[], object]] = {
        "create": lambda: bare.create(text(10)),
        "update": lambda: bare.update(text(20)),
        "read": bare.read,
        "delete": bare.delete,
    }
    figures: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in by_provider}
    for _ in range(ROUNDS):
        for i, acts in enumerate((by_provider, by_hand)):
            for name, act in acts.items():
                figures[name][i].append(_seconds(act))
    unchanged, _ = figures.pop("no change")
    for name, (provider, bare_calls) in figures.items():
        print(
            Ratio(f"{name}, against its bare HTTP calls", median(provider), median(bare_calls), 8)
        )
    print(Bound("check and diff of what is unchanged", median(unchanged), 0.1))


class Bare:
    """The requests that an operation takes, with nothing around them."""

    def __init__(self, url: str) -> None:
        self._session = requests.Session()
        self._session.trust_env = False
        self._api = f"{url}/api/1"

    def create(self, table: str) -> None:
        """Look, ask for both branches, write, look, ask whether they are bound."""
        self._write("POST", table, {}, branches=(V1, V2))

    def update(self, table: str) -> None:
        """The same for the one branch whose weight rises."""
        tag = self.read().headers["Etag"]
        self._write("PUT", table, {"If-Match": tag}, branches=(V2,))

    def read(self) -> requests.Response:
        """Look."""
        return self._session.get(
            f"{self._api}/dtabs/internal", headers={"Accept": "application/dtab"}
        )

    def delete(self) -> None:
        """Look, delete, look."""
        self.read()
        self._session.delete(f"{self._api}/dtabs/internal")
        self.read()

    def _write(
        self, method: str, table: str, headers: dict[str, str], branches: tuple[str, ...]
    ) -> None:
        if method == "POST":
            self.read()
        for branch in branches:
            params = {"path": branch, "dtab": table}
            self._session.get(f"{self._api}/delegate/bench-asks", params=params)
        self._session.request(
            method, f"{self._api}/dtabs/internal", data=table, headers={**DTAB, **headers}
        )
        self.read()
        self._session.get(f"{self._api}/bind/internal", params={"path": WORLD})


def _ups(found: Namerd, folder: Path) -> None:
    """`pulumi up` of so many tables: made, unchanged, and all with a new weight."""
    figures: dict[str, dict[int, float]] = {"create": {}, "no change": {}, "new weight": {}}
    for count in MANY:
        each = folder / f"up-{count}"
        each.mkdir()
        with stack(each, {}, PYTHONPATH=str(ROOT)) as engine:
            names = " ".join(f"table-{i}" for i in range(count))

            def declare(weight: int, engine: Any = engine, names: str = names) -> None:
                engine.run(
                    PROGRAM,
                    NAMES=names,
                    DENTRIES=json.dumps(BASE),
                    SPLITS=json.dumps({WORLD: {V1: 100 - weight, V2: weight}}),
                    NAMERD=json.dumps({"url": found.url}),
                )

            declare(10)
            figures["create"][count] = _seconds(engine.up)
            figures["no change"][count] = _seconds(engine.up)
            declare(20)
            figures["new weight"][count] = _seconds(engine.up)
            engine.destroy()
    for name, by_count in figures.items():
        for count in MANY[1:]:
            print(Ratio(f"up of {count} tables, {name}", by_count[count], by_count[MANY[0]]))


def _seconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
