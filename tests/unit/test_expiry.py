"""Warnings before certificates expire."""

from datetime import timedelta

from mesh import expiry, pair
from tests.harness.pairs import DAY, NOW

REMEDIES = {"certificate": "renew it", "authority": "rotate it"}
SECOND = timedelta(seconds=1)


def warned(**left: timedelta) -> list[str]:
    expires = {which: pair.when(NOW + time) for which, time in left.items()}
    return list(expiry.warnings(expires, REMEDIES, NOW))


def test_thirty_days_are_left() -> None:
    assert warned(certificate=30 * DAY, authority=400 * DAY) == []
    assert warned(certificate=30 * DAY - SECOND, authority=400 * DAY) == [
        "linkerd's certificate expires in 29 days, at 2026-07-30T23:59:59Z: renew it"
    ]


def test_each_has_a_line_of_its_own() -> None:
    authority, certificate = warned(certificate=DAY, authority=2 * DAY)
    assert authority.startswith("the authority of the mesh expires in 2 days, at ")
    assert authority.endswith(": rotate it")
    assert certificate.startswith("linkerd's certificate expires in 1 day, at ")


def test_one_that_is_over_is_told_as_that() -> None:
    (said,) = warned(certificate=-DAY)
    assert said == "linkerd's certificate has expired, at 2026-06-30T00:00:00Z: renew it"


def test_nothing_is_said_without_certificates() -> None:
    assert warned() == []
