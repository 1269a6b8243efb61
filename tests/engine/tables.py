"""The inputs that the tests of the Dtab resource use."""

from typing import Any

BASE = [
    "/srv/world-v1 => /$/inet/127.0.0.1/7001",
    "/srv/world-v2 => /$/inet/127.0.0.1/7002",
    "/srv/world-v3 => /$/inet/127.0.0.1/7003",
    "/host => /srv",
    "/svc => /host",
]
"""Its branches lead to addresses, which are endpoints without anything behind them."""

BASE_TEXT = ";".join(entry.replace(" => ", "=>") for entry in BASE)
V1, V2 = "/srv/world-v1", "/srv/world-v2"
WORLD = "/host/world"


def dtab(url: str, weight: int = 0, **changed: Any) -> dict[str, Any]:
    """The inputs of a Dtab at a canary weight."""
    inputs = {
        "namespace": "internal",
        "dentries": BASE,
        "splits": {WORLD: {V1: 100 - weight, V2: weight}},
        "namerd": {"url": url},
        "adopt": False,
    }
    return {**inputs, **changed}


def text(weight: int) -> str:
    """What namerd serves for it: a weight of 1 is not shown."""
    shown = [
        f"{percent}.00*{branch}" if percent != 1 else branch
        for branch, percent in ((V1, 100 - weight), (V2, weight))
    ]
    return f"{BASE_TEXT};{WORLD}=>{ ({0: V1, 100: V2}.get(weight) or ' & '.join(shown)) }"
