"""A stand-in for Prometheus's query API, for the selectors that are asked of it.

It stores pages as scrapes, as Prometheus does: each sample with the scrape's time, a label of the
target's own in place of one of the same name, which is `exported_…` then.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from tests.harness.scripted import Asked, Reply

_LINE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')
_MATCHER = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)(=~|=)"((?:[^"\\]|\\.)*)"\s*(?:,|$)')


@dataclass
class StandInPrometheus:
    """Its clock moves only as the test moves it."""

    now: float = 1_764_143_000.0
    reply: Reply | None = None
    """In place of every answer."""
    _series: dict[frozenset[tuple[str, str]], dict[float, str]] = field(default_factory=dict)

    def scrape(
        self, target: Mapping[str, str], page: str, *, at: float, honours: bool = False
    ) -> None:
        """Store a page of a target; `honours` is its `honor_labels`."""
        for line in page.splitlines():
            found = _LINE.fullmatch(line)
            assert found, line
            own = {name: _plain(value) for name, value in _LABEL.findall(found[2] or "")}
            labels = {"__name__": found[1], **target}
            for name, value in own.items():
                is_taken = name in target and not honours
                labels[f"exported_{name}" if is_taken else name] = value
            self._series.setdefault(frozenset(labels.items()), {})[at] = found[3]

    def answer(self, asked: Asked) -> Reply:
        """The answer to a request."""
        if self.reply is not None:
            return self.reply
        parts = urlsplit(asked.path)
        given = {name: values[0] for name, values in parse_qs(parts.query).items()}
        assert parts.path.endswith("/api/v1/query"), asked.path
        now = float(given.get("time", self.now))
        if given["query"] == "time()":
            return _success("scalar", [now, str(now)])
        selector = re.fullmatch(r"\{(.*)\}\[([0-9]+)s\]", given["query"])
        assert selector, given["query"]
        found = self._selected(selector[1], now - int(selector[2]), now)
        return _success("matrix", list(found))

    def _selected(self, matchers: str, since: float, until: float) -> Iterator[dict[str, object]]:
        wanted = [(name, how, _plain(value)) for name, how, value in _MATCHER.findall(matchers)]
        assert "".join(m[0] for m in _MATCHER.finditer(matchers)) == matchers
        for labels, samples in self._series.items():
            metric = dict(labels)
            values = [[at, value] for at, value in sorted(samples.items()) if since < at <= until]
            if values and all(_matches(metric.get(n, ""), how, value) for n, how, value in wanted):
                yield {"metric": metric, "values": values}


def _matches(value: str, how: str, wanted: str) -> bool:
    return value == wanted if how == "=" else re.fullmatch(wanted, value) is not None


def _plain(value: str) -> str:
    return re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], value)


def _success(kind: str, result: object) -> Reply:
    data = {"resultType": kind, "result": result}
    return Reply(200, json.dumps({"status": "success", "data": data}))
