"""Warnings before certificates expire."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

WARNED = timedelta(days=30)
"""How long before its end a certificate is warned of."""

WHICH = {"certificate": "linkerd's certificate", "authority": "the authority of the mesh"}


def warnings(
    expires: Mapping[str, str], remedies: Mapping[str, str], now: datetime
) -> Iterator[str]:
    """A line for each certificate that ends within WARNED.

    Both are by `certificate` and `authority`; times have the form of `mesh.pair.when`.
    """
    for which, said in sorted(expires.items()):
        left = datetime.fromisoformat(said) - now
        if left < WARNED:
            yield f"{WHICH[which]} {_when(left)}, at {said}: {remedies[which]}"


def _when(left: timedelta) -> str:
    if left <= timedelta():
        return "has expired"
    return f"expires in {left.days} {'day' if left.days == 1 else 'days'}"


def now() -> datetime:
    """The time by which certificates are judged."""
    return datetime.now(UTC)
