"""How often namerd is asked where the names lead that linkerds have bound."""

from typing import Any

from dynamic import delegation, following, grammar
from dynamic.delegation import Delegation
from dynamic.linkerds import Fleet, View


class Namerd:
    """Delegates every path to one address."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def delegate(self, path: str, _table: str) -> Delegation:
        self.asked.append(path)
        bound = {"id": "/#/a", "path": "/", "addr": {"type": "bound", "addrs": [{}]}}
        return delegation.parse({"type": "leaf", "bound": bound})


class Linkerds(Fleet):
    """One of them, which follows every name."""

    def __init__(self, names: list[str], to: str = "/#/a") -> None:
        self._names = {name: {to: 1.0} for name in names}

    def views(self) -> list[View]:
        return [View("l5d-0", "node-0", self._names)]


def lags(namerd: Namerd, table: str, *linkerds: Any) -> list[str]:
    found = following.lags(
        Linkerds(*linkerds), namerd.delegate, None, grammar.parse(table), seconds=0
    )
    return [lag.name for lag in found]


def test_names_that_callers_make_up_are_one_question() -> None:
    namerd = Namerd()
    names = [f"/svc/{i}.example.com" for i in range(1000)]
    assert lags(namerd, "/host => /#/a; /svc/* => /host", names) == []
    assert namerd.asked == names[:1]


def test_names_that_lead_elsewhere_are_a_question_each() -> None:
    namerd = Namerd()
    names = ["/svc/a", "/svc/b", "/#/c", "/#/d"]
    assert lags(namerd, "/host => /srv; /svc => /host", names) == []
    assert namerd.asked == names


def test_each_name_that_is_not_followed_is_told() -> None:
    names = ["/svc/a", "/svc/b"]
    assert lags(Namerd(), "/host => /#/a; /svc/* => /host", names, "/#/b") == names
