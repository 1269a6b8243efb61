"""Whether a table is in force: namerd binds its branches, or linkerds follow it."""

from collections.abc import Mapping
from typing import Any

from dynamic import following, guard, inputs
from dynamic.client import Client
from dynamic.errors import NotFollowedError
from dynamic.following import FOLLOW_SECONDS
from dynamic.grammar import Dtab
from dynamic.guard import BoundNames
from dynamic.inputs import Inputs, Linkerds
from dynamic.linkerds import Fleet
from dynamic.objects import Objects
from dynamic.tables import Store, Table
from dynamic.waiting import patience
from dynamic.writing import Prove, Wanted
from kube.errors import OneLineError

LAGGING_SECONDS = 5.0
"""How long a refresh gives a linkerd that may be about to follow."""


def proof(store: Store, new: Inputs, wanted: Wanted, followed: str | None = None) -> Prove:
    """What makes sure of it after a write. Raises DeniedError for who may not ask, before one,
    but for a way back, which waits for no right to ask.

    `followed` is the version of the table that all linkerds followed when the state was written.
    """
    if isinstance(store, Objects):
        fleet = _fleet(store, new.linkerds, new.namespace)
        if fleet is not None and not wanted.is_way_back:
            fleet.must_be_allowed()

        def prove(former: Table | None, _names: BoundNames) -> None:
            # Of any other table, such as one whose proof failed, linkerds may lag in every name.
            known = former is not None and former.version == followed
            _followed(store, fleet, wanted, former.entries if former and known else None)

        return prove
    client = store
    assert isinstance(client, Client)  # noqa: S101  # there is no third kind
    return lambda _, names: guard.bound(client, wanted.namespace, names)


def lagging(store: Objects, props: Mapping[str, Any], table: Table) -> list[str]:
    """A line for each linkerd that does not follow the table which is in force."""
    namespace = props["namespace"]
    fleet = _fleet(store, inputs.linkerds_of(props), namespace)
    if fleet is None:
        return []
    try:
        found = following.lags(fleet, store.delegate, None, table.entries, LAGGING_SECONDS)
    except OneLineError as error:
        print(f"whether the linkerds follow the table {namespace!r} is not known: {error}")
        return []
    return list(map(str, found))


def _followed(store: Objects, fleet: Fleet | None, wanted: Wanted, former: Dtab | None) -> None:
    if fleet is not None:
        found = following.lags(fleet, store.delegate, former, wanted.table, FOLLOW_SECONDS)
        if found:
            pods = " ".join(sorted({lag.view.pod for lag in found}))
            waited = f"{FOLLOW_SECONDS * patience():g} s"
            raise NotFollowedError(
                f"the table {wanted.namespace!r} is not followed everywhere, after {waited}: "
                f"{'; '.join(map(str, found))}; look at namerd and at these linkerds' log, or "
                f"restart them (`kubectl delete pod {pods}`)"
            )
    if not wanted.is_way_back:
        guard.still(store, wanted.rising, wanted.table)


def _fleet(store: Objects, linkerds: Linkerds | None, namespace: str) -> Fleet | None:
    return Fleet(store.api, linkerds, namespace) if linkerds else None
