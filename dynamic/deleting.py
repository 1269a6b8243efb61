"""Deleting a table, and no other that stands in its place by then."""

from collections.abc import Callable

from dynamic.difference import clipped
from dynamic.errors import ConflictError, NotServedError, StaleError
from dynamic.tables import Store, Table
from dynamic.waiting import UNANSWERED, Deadline
from dynamic.writing import WRITE_SECONDS
from kube.errors import OneLineError, UnexpectedAnswerError

GONE_SECONDS = 8.0
"""How long a deleted table may still be shown."""


class Left(Exception):  # noqa: N818  # no failure: what delete has to say
    """The table is not the resource's any more, and stays."""


def delete(store: Store, namespace: str, may_delete: Callable[[Table], None]) -> None:
    """Delete the table; one that is gone already is fine.

    `may_delete` raises Left for one that is to stay, ConflictError for one that is not known.
    """
    lag, tries = Deadline(store.lag_seconds), Deadline(WRITE_SECONDS)
    unanswered: OneLineError | None = None
    for _ in tries.attempts():
        live = store.read(namespace)
        if live is None:
            store.confirm_missing()
            return
        try:
            may_delete(live)
        except ConflictError:
            if lag.over:
                raise
            continue
        try:
            store.delete(namespace, live)
        except StaleError:
            continue
        except UNANSWERED as error:
            unanswered = error
            continue
        except UnexpectedAnswerError:
            if store.read(namespace) is not None:
                raise
        _wait_until_gone(store, namespace, live)
        return
    if unanswered is None:
        raise NotServedError(
            f"{store.where} keeps refusing to delete the table {namespace!r} as out of date, tried "
            f"for {tries.seconds:g} s"
        )
    raise type(unanswered)(f"{unanswered}; the deletion was tried for {tries.seconds:g} s")


def _wait_until_gone(store: Store, namespace: str, deleted: Table) -> None:
    """Or whoever makes the table next would take a read that lags for the table itself."""
    deadline = Deadline(GONE_SECONDS)
    for _ in deadline.attempts():
        live = store.read(namespace)
        if live is None or not live.is_still(deleted):
            return
    raise NotServedError(
        f"{store.where} took the deletion of {namespace!r} but serves it after "
        f"{deadline.seconds:g} s: '{clipped(deleted.text)}'"
    )
