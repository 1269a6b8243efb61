"""Which changes of TLS lose no request, and the steps between those that would."""

import itertools

import pytest

from mesh import tls
from mesh.tls import Way
from settings import readers

WAYS = [
    Way.of(mode, permissive, secret)
    for mode in tls.MODES
    for permissive in (False, True)
    for secret in ("", "certs")
]

OFF, SERVER, MUTUAL = (Way.of(mode, False, "") for mode in tls.MODES)
OFF_P, SERVER_P, MUTUAL_P = (Way.of(mode, True, "") for mode in tls.MODES)


@pytest.mark.parametrize(
    ("one", "others"),
    [
        (OFF, [OFF, OFF_P]),
        (SERVER, [SERVER, SERVER_P, MUTUAL_P]),
        (MUTUAL, [MUTUAL, MUTUAL_P]),
        (OFF_P, [OFF, OFF_P, SERVER_P, MUTUAL_P]),
    ],
)
def test_what_works_with_what(one: Way, others: list[Way]) -> None:
    own = [OFF, SERVER, MUTUAL, OFF_P, SERVER_P, MUTUAL_P]
    assert [each for each in own if tls.works_with(one, each)] == others


@pytest.mark.parametrize(
    ("before", "after", "steps"),
    [
        (OFF, OFF_P, [OFF_P]),
        (OFF, SERVER, [OFF_P, SERVER_P, SERVER]),
        (OFF, MUTUAL, [OFF_P, MUTUAL_P, MUTUAL]),
        (MUTUAL, OFF, [MUTUAL_P, OFF_P, OFF]),
        (SERVER, OFF, [SERVER_P, OFF_P, OFF]),
        (SERVER, MUTUAL, [MUTUAL_P, MUTUAL]),
        (MUTUAL, SERVER, [MUTUAL_P, SERVER]),
    ],
)
def test_the_steps_between(before: Way, after: Way, steps: list[Way]) -> None:
    assert tls.steps(before, after) == steps
    said = tls.refusal(before, after)
    if len(steps) == 1:
        assert said is None
        return
    assert said
    assert said.index(str(steps[0])) > 0
    assert said.endswith("; ".join(f"({n}) {way}" for n, way in enumerate(steps, 1)))


def test_between_any_two_ways_every_step_is_safe() -> None:
    for before, after in itertools.product(WAYS, WAYS):
        if before == after:
            continue
        path = [before, *tls.steps(before, after)]
        assert path[-1] == after
        assert all(tls.works_with(*pair) for pair in itertools.pairwise(path))


def test_certificates_of_another_source_come_where_nobody_uses_them() -> None:
    given, given_p = Way.of("mutual", False, "certs"), Way.of("mutual", True, "certs")
    off_given = Way.of("off", True, "certs")
    assert tls.steps(MUTUAL, given) == [MUTUAL_P, OFF_P, off_given, given_p, given]


def test_a_way_is_told_by_an_annotation() -> None:
    for way in WAYS:
        assert Way.of_annotation(way.annotation) == way
    assert OFF.annotation == ""
    assert Way.of("mutual", True, "certs").annotation == "mutual+permissive@certs"
    with pytest.raises(ValueError, match=r"linkerd-canary/tls is 'mutual\+strict'"):
        Way.of_annotation("mutual+strict")


def test_a_secret_may_have_any_name() -> None:
    for name in ("own", "off", "none"):
        given = Way.of("mutual", False, name)
        assert given != MUTUAL
        assert not tls.works_with(given, MUTUAL)
        assert Way.of_annotation(given.annotation) == given
    with pytest.raises(ValueError, match="it must be the name of a Secret"):
        readers.secret_name(tls.OWN)


@pytest.mark.parametrize(
    ("way", "plain", "encrypted", "asks"),
    [
        (OFF, True, False, False),
        (OFF_P, True, True, False),
        (SERVER, False, True, False),
        (SERVER_P, True, True, False),
        (MUTUAL, False, True, True),
        (MUTUAL_P, True, True, False),
    ],
)
def test_the_ports_that_are_open(way: Way, plain: bool, encrypted: bool, asks: bool) -> None:
    assert (way.takes_plain, way.takes_tls, way.asks_for_certificates) == (plain, encrypted, asks)
