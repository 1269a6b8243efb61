"""What the resource's provider does, on plain properties and without Pulumi.

Properties of the state are the inputs with `dtab`, the canonical table last seen, and `version`.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from dynamic import grammar, inputs, splits, writing
from dynamic.client import Client, Table
from dynamic.connection import connected
from dynamic.difference import difference
from dynamic.errors import ConflictError, ExistsError, ServiceMissingError
from dynamic.inputs import Inputs, Target
from dynamic.journal import Journal
from kube import credentials
from kube.errors import DeniedError, KubeconfigError, OneLineError

T = TypeVar("T")
Properties = Mapping[str, Any]

_LOOKS = 3
"""How often a table is looked at that changes from one look to the next."""

ABSENT_SECONDS = 5.0
"""How long reading and deleting wait for a namerd that does not answer."""


def create(props: Properties) -> tuple[str, dict[str, Any]]:
    """Write a table where none is; take over one that says the same, or any by `adopt`.

    Returns the id and the properties of the state. Raises OneLineError.
    """
    new = Inputs.of(props)
    replaced: list[Table] = []

    def refuse(live: Table) -> OneLineError:
        return ExistsError(
            f"the table {new.namespace!r} exists already with other content: "
            f"{difference(live.entries, new.table)}; to replace that, set the resource's "
            "`adopt` (here: `pulumi config set adoptExisting true`)"
        )

    def may_replace(live: Table) -> bool:
        if new.adopt:
            replaced[:] = [live]
        return new.adopt

    wanted = writing.Wanted(new.namespace, new.table, new.splits, before={}, recorded=None)
    journal = Journal(new.target.identity, new.namespace, None, None)
    with journal.held(), connected(new.target) as client:
        table = writing.write(client, wanted, journal, may_replace, refuse)
    for former in replaced:
        lines = difference(former.entries, new.table)
        print(f"the table {new.namespace!r} was there and is adopted; replaced: {lines}")
    return f"{new.target.identity}/{new.namespace}", _state(props, table)


def update(olds: Properties, news: Properties) -> dict[str, Any]:
    """Write the table if it says something else, over what the state has seen and no more.

    Returns the properties of the state. Raises OneLineError.
    """
    new, seen = Inputs.of(news), grammar.parse(olds["dtab"])
    before = inputs.weights_of(olds)
    wanted = writing.Wanted(new.namespace, new.table, new.splits, before, olds["dtab"])

    def refuse(live: Table) -> OneLineError:
        who = (
            "another stack on this machine, or by a `pulumi up` here whose state was not saved"
            if journal.has_finished(live.text)
            else "somebody else"
        )
        lines = difference(live.entries, seen)
        return ConflictError(f"the table {new.namespace!r} was changed by {who}: {lines}")

    def may_replace(live: Table) -> bool:
        return splits.recognise(live.entries, before) == splits.recognise(seen, before)

    journal = Journal(new.target.identity, new.namespace, olds["dtab"], olds["version"])
    renamed = new.target.identity != inputs.target_of(olds).identity
    if wanted.is_met_by(seen) and not renamed and not journal.has_unrecorded():
        # Only the address or the credential is another: nothing to write.
        return _inputs(news) | {"dtab": olds["dtab"], "version": olds["version"]}
    with journal.held(), connected(new.target) as client:
        table = writing.write(client, wanted, journal, may_replace, refuse)
    return _state(news, table)


def read(props: Properties) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The inputs that the table as it is amounts to, and the properties of the state.

    None where there is no such table. Raises OneLineError.
    """
    namespace = props["namespace"]

    def ask(client: Client) -> Table | None:
        try:
            found = client.read(namespace)
            if found is None:
                client.must_be_namerd()
        except ServiceMissingError:
            if client.object_is_gone(namespace):
                return None
            raise
        return found

    table = _with_state_credentials(inputs.target_of(props), ask)
    if table is None:
        return None
    base, weights = splits.recognise(table.entries, inputs.weights_of(props))
    found = _inputs(props) | {
        "dentries": list(map(grammar.show_dentry, base)),
        "splits": weights,
    }
    return found, _state(found, table)


def is_same_namerd(new: Inputs, olds: Properties) -> bool:
    """Whether a namerd by another name is, or may be, the one that holds the state's table.

    Replacing would write the table by the new name and then delete it by the old one. Raises
    OneLineError where the namerd by the new name does not answer.
    """
    namespace, target = new.namespace, inputs.target_of(olds)
    with connected(new.target) as client:
        if client.address == _address(target):
            return True
        for _ in range(_LOOKS):
            try:
                live = client.read(namespace)
                former = _former(target, namespace)
                if live != client.read(namespace):
                    continue  # somebody writes it right now
            except ServiceMissingError:
                return False  # not even a namerd there
            if isinstance(former, OneLineError):  # so as not to delete what is in force
                return live is not None and live.text == str(olds["dtab"])
            return former is None or former == live
    raise ConflictError(f"the table {namespace!r} is being written by somebody else: try again")


def _address(target: Target) -> str | None:
    """Where a namerd is, as far as the kubeconfig tells that still."""
    try:
        with connected(target) as client:
            return client.address
    except KubeconfigError:
        return None


def _former(target: Target, namespace: str) -> Table | OneLineError | None:
    """The table by the old name, or why that cannot be told."""
    try:
        with connected(target, ABSENT_SECONDS) as client:
            return client.read(namespace)
    except OneLineError as error:
        return error


def delete(props: Properties) -> None:
    """Delete the table, unless its content is not what the state has seen. Raises OneLineError."""
    namespace, target = props["namespace"], inputs.target_of(props)
    journal = Journal(target.identity, namespace, props["dtab"], props["version"])

    def ask(client: Client) -> None:
        try:
            writing.delete(client, namespace, props["dtab"], journal)
        except ServiceMissingError as error:
            if not client.object_is_gone(namespace):
                raise ServiceMissingError(
                    f"{error}; the table {namespace!r} may be kept there still (as `kubectl get "
                    "dtabs.l5d.io` shows): bring namerd back to delete it"
                ) from None

    with journal.held():
        _with_state_credentials(target, ask)


def _inputs(props: Properties) -> dict[str, Any]:
    """The inputs among the properties of the state."""
    return {
        key: value for key, value in props.items() if key not in ("__provider", "dtab", "version")
    }


def _state(props: Properties, table: Table) -> dict[str, Any]:
    return _inputs(props) | {"dtab": table.text, "version": table.version}


def _with_state_credentials(target: Target, ask: Callable[[Client], T]) -> T:
    """Ask with the credentials that the state holds; where they are refused, the ambient ones.

    Refresh and destroy do not run the program, so that a renewed kubeconfig does not reach them.
    """
    with connected(target, ABSENT_SECONDS) as client:
        server = client.server
        try:
            return ask(client)
        except DeniedError as error:
            denied = error
    context = credentials.ambient_context(server) if server else None
    if server is None:
        raise denied
    advice = "run `pulumi up` with a valid one, which renews it in the state"
    if context is None:
        raise DeniedError(
            f"with the state's kubeconfig, {denied}; no ambient kubeconfig leads to the same "
            f"server; {advice}"
        )
    ambient = Target(target.cluster, target.service, kubeconfig=None, context=context)
    with connected(ambient, ABSENT_SECONDS) as client:
        try:
            return ask(client)
        except DeniedError:
            raise DeniedError(
                f"with the state's kubeconfig and with context {context!r} of the ambient one, "
                f"{denied}; {advice}"
            ) from None
