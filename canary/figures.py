"""Numbers as the commands show them."""

from collections.abc import Sequence

_BLOCKS = "▁▂▃▄▅▆▇█"


def percent(value: float, decimals: int = 2) -> str:
    """`10 %`, `0.5 %`: without zeros at the end."""
    return f"{round(value, decimals):g} %"


def share(value: float, interval: tuple[float, float]) -> str:
    """`10.4 % (9.1–11.9)` of fractions of 1."""
    low, high = (f"{round(100 * end, 1):g}" for end in interval)
    return f"{round(100 * value, 1):g} % ({low}–{high})"


def success(requests: int, failures: int) -> str:
    """`99.8 % of 1,074`; never 100 % where one has failed."""
    if not requests:
        return "no requests"
    rate = 100 * (requests - failures) / requests
    shown = min(round(rate, 2), 99.99) if failures else 100
    return f"{shown:g} % of {requests:,}"


def weights(given: Sequence[float]) -> str:
    """`90/10`"""
    return "/".join(f"{each:g}" for each in given)


def trend(values: Sequence[float]) -> str:
    """`▂▃▃▇`: each against the largest, from 0."""
    most = max(values, default=0.0)
    if not most:
        return ""
    return "".join(_BLOCKS[min(int(each / most * 8), 7)] for each in values)
