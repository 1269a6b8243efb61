"""The dtab language: how parsing, showing, comparing and checking grow with a table."""

import time
from collections.abc import Callable

from bench.report import Bound, Ratio, median
from dynamic import grammar, inputs, splits

SIZES = (2_000, 10_000)
ROUNDS = 7
SECONDS_A_PASS = 0.1
"""What one pass over ten thousand entries may take."""

GROWTH = 8
"""How many times longer five times as many entries may take."""


def main() -> None:
    """Measure, and print each pass against its bound and against a fifth of the entries."""
    few, many = (_passes(size) for size in SIZES)
    for name, figure in many.items():
        print(Bound(f"{name} of {SIZES[1]:,} entries", figure, SECONDS_A_PASS))
        print(Ratio(f"{name}: five times as many entries", figure, few[name], GROWTH))
    for name, act in (("check", _check), ("recognise", _recognise)):
        fewer, more = (act(size) for size in (200, 1_000))
        print(Ratio(f"{name}: a thousand splits against two hundred", more, fewer, GROWTH))


def table(size: int) -> str:
    """Half plain entries, half unions of two, in canonical form."""
    return ";".join(
        f"/svc/{i}/*/http=>/#/io.l5d.k8s/ns-{i}/http/name-{i}"
        if i % 2
        else f"/host/world-{i}=>90.00*/srv/world-{i}-v1 & 10.00*/srv/world-{i}-v2"
        for i in range(size)
    )


def _passes(size: int) -> dict[str, float]:
    text = table(size)
    parsed, again = grammar.parse(text), grammar.parse(text)
    return {
        "parse": _seconds(lambda: grammar.parse(text)),
        "show": _seconds(lambda: grammar.show(parsed)),
        "compare": _seconds(lambda: grammar.same(parsed, again)),
    }


def _check(size: int) -> float:
    """Of the inputs of a table of so many splits."""
    split = {"/srv/v1": 90, "/srv/v2": 10}
    given = {"namespace": "internal", "namerd": {"url": "http://namerd:4180"}, "dentries": []}
    given["splits"] = {f"/host/world-{i}": split for i in range(size)}
    return _seconds(lambda: inputs.checked({}, given, lambda _: False))


def _recognise(size: int) -> float:
    """Of a table of so many splits that are ratios, each to be percents."""
    known = {f"/host/world-{i}": {"/srv/v1": 90, "/srv/v2": 10} for i in range(size)}
    live = grammar.parse(";".join(f"{prefix} => 2*/srv/v1 & /srv/v2" for prefix in sorted(known)))
    return _seconds(lambda: splits.recognise(live, known))


def _seconds(act: Callable[[], object]) -> float:
    """Of the processor: what else runs on the machine does not count."""
    figures = []
    for _ in range(ROUNDS):
        began = time.process_time()
        act()
        figures.append(time.process_time() - began)
    return median(figures)


if __name__ == "__main__":
    main()
