"""What the resource's provider does, on plain properties and without Pulumi.

Properties of the state are the inputs and what `OUTPUTS` names.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from dynamic import deleting, grammar, inputs, proof, splits, writing
from dynamic.connection import to_namerd, to_objects
from dynamic.difference import difference
from dynamic.errors import ConflictError, ServiceMissingError, WrongClusterError
from dynamic.inputs import Inputs, Target
from dynamic.marks import Mark, digest
from dynamic.objects import Objects
from dynamic.ownership import Creating, Keeping
from dynamic.tables import Store, Table, entries_of
from dynamic.waiting import ABSENT_SECONDS, GONE, UNREACHED, UP_SECONDS, is_taken_for_gone
from dynamic.writing import Wanted
from kube import credentials
from kube.errors import (
    DeniedError,
    KubeconfigError,
    OneLineError,
    UnauthorizedError,
)

T = TypeVar("T")
Properties = Mapping[str, Any]

OUTPUTS = ("dtab", "version", "claim", "cluster_uid", "kept_by", "lagging")
"""What the state has beside the inputs: the canonical table last seen; its Etag or resourceVersion;
and through a cluster the claim that the resource puts on its object, the cluster's UID, who else
keeps the table by now, and a line for each linkerd that did not follow it."""

_LOOKS = 3
"""How often a table is looked at that changes from one look to the next."""

_RENEW = "run `pulumi up` with a valid one, which renews it in the state"


def create(props: Properties) -> tuple[str, dict[str, Any]]:
    """Write a table where none is, or over any by `adopt`.

    Returns the id and the properties of the state. Raises OneLineError.
    """
    new = Inputs.of(props)
    mark = Mark(uuid.uuid4().hex, new.resource, digest(new.table))
    wanted = Wanted(new.namespace, new.table, new.splits, before={}, recorded=None, mark=mark)
    with _store(new.target, None) as (store, uid):
        rules = Creating(new, mark, store.has_marks)
        table, _ = writing.write(store, wanted, rules, proof.proof(store, new, wanted))
    _tell_of_adopted(rules.replaced, wanted)
    state = _state(props, table, claim=mark.claim, cluster_uid=uid)
    return f"{new.target.identity}/{new.namespace}", state


def update(olds: Properties, news: Properties) -> dict[str, Any]:
    """Write the table if it says something else, over what the state has seen and no more.

    Returns the properties of the state. Raises OneLineError.
    """
    new = Inputs.of(news)
    seen, before = entries_of(olds["dtab"]), inputs.weights_of(olds)
    claim = olds.get("claim") or uuid.uuid4().hex
    mark = Mark(claim, new.resource, digest(new.table))
    baselines = {
        prefix: branch
        for prefix, weights in before.items()
        if (branch := inputs.way_back(prefix, weights, olds.get("baseline"), news.get("baseline")))
    }
    wanted = Wanted(new.namespace, new.table, new.splits, before, olds["dtab"], mark, baselines)
    same_name = new.target.identity == inputs.target_of(olds).identity
    if new.target.url and same_name and wanted.is_met_by(seen):
        # Only the address is another: nothing to write.
        return _inputs(news) | {"dtab": olds["dtab"], "version": olds["version"]}
    known = olds.get("cluster_uid") if same_name else None
    with _store(new.target, known) as (store, uid):
        # A table without marks is nobody's to be taken over from: what changed it is a conflict.
        adopts = store.has_marks and new.adopt and not olds.get("adopt")
        rules = Keeping(olds, new.resource, store.has_marks, adopts)
        followed = None if olds.get("lagging") else olds["version"]
        prove = proof.proof(store, new, wanted, followed)
        table, written = writing.write(store, wanted, rules, prove)
        if not written and table.version != followed:
            prove(table, {})
    _tell_of_adopted(rules.replaced if written else [], wanted)
    return _state(news, table, claim=claim, cluster_uid=uid)


def read(props: Properties) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The inputs that the table as it is amounts to, and the properties of the state.

    None where there is no such table. Raises OneLineError.
    """
    namespace, target = props["namespace"], inputs.target_of(props)

    def ask(store: Store, uid: str | None) -> tuple[dict[str, Any], dict[str, Any]] | None:
        table = store.read(namespace)
        if table is None:
            store.confirm_missing()
            return None
        base, weights = splits.recognise(table.entries, inputs.weights_of(props))
        found = _inputs(props) | {
            "dentries": list(map(grammar.show_dentry, base)),
            "splits": weights,
        }
        state = _state(found, table, claim=props.get("claim"), cluster_uid=uid)
        # No program gives these as inputs: among them they show as lines of a preview, which an
        # update undoes.
        told = _told(store, props, table)
        # As an output it would outlast the refresh, after which the state has the table.
        return found | told | _unsaved(store, props, table), state | told

    try:
        return _read_with_state_credentials(target, props.get("cluster_uid"), ask)
    except UNREACHED as error:
        _must_be_gone(target, error)
        return None


def is_to_be_written(olds: Properties, news: Properties) -> bool:
    """Whether a table is missing, or says what the resource wrote and the state does not know.

    To the state nothing would be left to do: somebody has deleted the one, and a kill has kept the
    other from being noted. False, with a line on the terminal, where that cannot be looked at.
    Raises WrongClusterError.
    """
    new = Inputs.of(news)
    try:
        with _store(new.target, olds.get("cluster_uid"), ABSENT_SECONDS) as (store, _):
            live = store.read(new.namespace)
    except WrongClusterError:
        raise
    except OneLineError as error:
        print(f"the table {new.namespace!r} was not looked at: {error}")
        return False
    if live is None:
        return True
    if live.version == olds["version"]:
        return False
    rules = Keeping(olds, new.resource, store.has_marks)
    return rules.wrote_unsaved(live)


def is_same_namerd(new: Inputs, olds: Properties) -> bool:
    """Whether a namerd by another name is, or may be, the one that holds the state's table.

    Replacing would write the table by the new name and then delete it by the old one. Raises
    OneLineError where the namerd, or the cluster, by the new name does not answer.
    """
    former = inputs.target_of(olds)
    known = olds.get("cluster_uid")
    if known and new.target.url is None:
        with _store(new.target, None) as (_, uid):
            return uid == known and _namespace(new.target) == _namespace(former)
    namespace = new.namespace
    with _store(new.target, None) as (store, _):
        if _address(new.target) == _address(former):
            return True
        for _ in range(_LOOKS):
            try:
                live = store.read(namespace)
                kept = _former(former, namespace)
                if live != store.read(namespace):
                    continue  # somebody writes it right now
            except ServiceMissingError:
                return False  # not even a namerd there
            if isinstance(kept, OneLineError):  # so as not to delete what is in force
                return live is not None and live.text == str(olds["dtab"])
            return kept is None or kept == live
    raise ConflictError(f"the table {namespace!r} is being written by somebody else: try again")


def must_be_same_cluster(new: Inputs, olds: Properties) -> None:
    """Raise WrongClusterError where another kubeconfig or context leads to another cluster."""
    if known := olds.get("cluster_uid") or _uid(inputs.target_of(olds)):
        with _store(new.target, known, ABSENT_SECONDS):
            pass


def _uid(former: Target) -> str | None:
    """Of the cluster in the state of an older release, if its kubeconfig still leads there."""
    try:
        with _store(former, None, ABSENT_SECONDS) as (_, uid):
            return uid
    except OneLineError:
        return None


def delete(props: Properties) -> None:
    """Delete the table, unless its content is not what the state has seen. Raises OneLineError.

    One that another resource keeps by now stays, with a line on the terminal.
    """
    namespace, target = props["namespace"], inputs.target_of(props)
    try:
        with _store(target, props.get("cluster_uid"), ABSENT_SECONDS) as (store, _):
            rules = Keeping(props, str(props.get("resource")), store.has_marks)
            deleting.delete(store, namespace, rules.may_delete)
    except deleting.Left as left:
        print(left)
    except UnauthorizedError as error:
        raise UnauthorizedError(f"with the state's kubeconfig, {error}; {_RENEW}") from None
    except UNREACHED as error:
        _must_be_gone(target, error)


def _must_be_gone(target: Target, error: OneLineError) -> None:
    """Raise the error again, unless its cluster is said to be gone for good."""
    if target.url is not None:
        raise error
    if not is_taken_for_gone():
        raise type(error)(
            f"{error}; if it is gone for good, say so with {GONE}=true in the environment"
        ) from None


@contextmanager
def _store(
    target: Target, known_uid: str | None, up_seconds: float = UP_SECONDS
) -> Iterator[tuple[Store, str | None]]:
    """Where the tables are, and the UID of the cluster they are in.

    Raises WrongClusterError where that is not the known one.
    """
    if target.url is not None:
        with to_namerd(target.url, up_seconds) as client:
            yield client, None
        return
    with to_objects(target, up_seconds) as objects:
        uid = objects.cluster_uid()
        if known_uid and uid != known_uid:
            raise WrongClusterError(
                f"{objects.api.where} is another cluster than the one that keeps the table: its "
                f"namespace kube-system has the UID {uid}, and that one's has {known_uid}; choose "
                "the kubeconfig or context of that one, or to mean the other give the input "
                "`namerd` another `cluster` (here: `pulumi config set clusterIdentifier …`)"
            )
        yield objects, uid


def _told(store: Store, props: Properties, table: Table) -> dict[str, Any]:
    """Who else keeps the table by now, and which linkerds do not follow it, where there are any."""
    told: dict[str, Any] = {}
    keeping = Keeping(props, str(props.get("resource")), store.has_marks)
    if table.mark and keeping.belongs_to_another(table):
        told["kept_by"] = table.mark.keeper
    if isinstance(store, Objects) and (lines := proof.lagging(store, props, table)):
        told["lagging"] = lines
    return told


def _unsaved(store: Store, props: Properties, table: Table) -> dict[str, str]:
    """That an update of the stack wrote what the state does not have, if one did."""
    if not Keeping(props, str(props.get("resource")), store.has_marks).wrote_unsaved(table):
        return {}
    when = f" at {table.changed_at}" if table.changed_at else ""
    return {"unsaved": f"written by an update of this stack{when}"}


def _tell_of_adopted(replaced: list[Table], wanted: Wanted) -> None:
    for former in replaced:
        done = "it said the same"
        if not wanted.is_met_by(former.entries):
            done = f"replaced: {difference(former.entries, wanted.table)}"
        print(f"the table {wanted.namespace!r} was there and is adopted; {done}")


def _namespace(target: Target) -> str:
    return str(target.service).partition("/")[0]


def _address(target: Target) -> str | None:
    """Where tables are, as far as the kubeconfig tells that still."""
    if target.url is not None:
        return target.url
    try:
        server = credentials.load(target.kubeconfig, target.context).server
    except KubeconfigError:
        return None
    return f"{server} {_namespace(target)}"


def _former(target: Target, namespace: str) -> Table | OneLineError | None:
    """The table by the old name, or why that cannot be told."""
    try:
        with _store(target, None, ABSENT_SECONDS) as (store, _):
            return store.read(namespace)
    except OneLineError as error:
        return error


def _inputs(props: Properties) -> dict[str, Any]:
    """The inputs among the properties of the state."""
    return {key: value for key, value in props.items() if key not in ("__provider", *OUTPUTS)}


def _state(
    props: Properties, table: Table, claim: str | None, cluster_uid: str | None
) -> dict[str, Any]:
    state = _inputs(props) | {"dtab": table.text, "version": table.version}
    return state if cluster_uid is None else state | {"claim": claim, "cluster_uid": cluster_uid}


def _read_with_state_credentials(
    target: Target, known_uid: str | None, ask: Callable[[Store, str | None], T]
) -> T:
    """Ask with the credentials that the state holds; where nobody knows them, the ambient ones.

    Refresh does not run the program, so that a renewed kubeconfig does not reach it. A user whom
    the cluster knows and refuses (403) stays who he is.
    """
    try:
        with _store(target, known_uid, ABSENT_SECONDS) as (store, uid):
            return ask(store, uid)
    except UnauthorizedError as error:
        if target.url is not None:
            raise
        denied = error
    server = credentials.load(target.kubeconfig, target.context).server
    context = credentials.ambient_context(server)
    if context is None:
        raise UnauthorizedError(
            f"with the state's kubeconfig, {denied}; no ambient kubeconfig leads to the same "
            f"server; {_RENEW}"
        )
    ambient = Target(target.cluster, target.service, kubeconfig=None, context=context)
    try:
        with _store(ambient, known_uid, ABSENT_SECONDS) as (store, uid):
            found = ask(store, uid)
    except DeniedError:
        raise UnauthorizedError(
            f"with the state's kubeconfig and with context {context!r} of the ambient one, "
            f"{denied}; {_RENEW}"
        ) from None
    print(f"read with context {context!r} of the ambient kubeconfig: the state's is refused (401)")
    return found
