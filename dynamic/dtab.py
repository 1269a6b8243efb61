"""A dtab namespace of namerd as a Pulumi resource, and its dynamic provider.

What old state refers to, and what therefore never changes: this module's path, the name of the
provider's class, the resource's type `pulumi-python:dynamic/namerd:Dtab` and the form of its ids.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import pulumi
from pulumi.dynamic import (
    CheckFailure,
    CheckResult,
    ConfigureRequest,
    CreateResult,
    DiffResult,
    ReadResult,
    Resource,
    ResourceProvider,
    UpdateResult,
)
from pulumi.output import Unknown

from dynamic import grammar, inputs, splits, writing
from dynamic.client import Client, Table
from dynamic.connection import Namerd, connected
from dynamic.errors import ConflictError, DtabError, ExistsError, ServiceMissingError
from dynamic.inputs import Inputs

T = TypeVar("T")
Props = dict[str, Any]

ABSENT_SECONDS = 5.0
"""How long reading and deleting wait for a namerd that does not answer."""


class DtabProvider(ResourceProvider):
    """Creates, reads, updates and deletes dtab namespaces. It holds nothing between two calls."""

    # The pickled provider is a module's and a class's name: nothing secret to encrypt or to hide.
    serialize_as_secret_always = False

    def configure(self, req: ConfigureRequest) -> None:  # noqa: ARG002
        """Have the host that runs this provider show our errors without its own traceback."""
        _show_errors_in_one_line(sys.modules["__main__"])

    def check(self, _olds: Props, news: Props) -> CheckResult:
        """Check every input, and bring it into its one form."""
        found, failures = inputs.checked(_olds, news, lambda value: isinstance(value, Unknown))
        return CheckResult(found, [CheckFailure(*failure) for failure in failures])

    def diff(self, _id: str, _olds: Props, _news: Props) -> DiffResult:
        """Compare what the tables mean. Only another namespace or namerd replaces."""
        if _has_unknowns(_news):
            return DiffResult(changes=True)
        new, old = Inputs.of(_news), inputs.namerd_of(_olds)
        replaces = []
        if new.namespace != _olds["namespace"]:
            replaces.append("namespace")
        if new.namerd.identity != old.identity:
            replaces.append("namerd")
        seen = grammar.parse(_olds["dtab"])
        changed = (
            new.namerd != old
            or not _wanted(new, {}).is_met_by(seen)
            or inputs.weights_of(_olds) != new.splits
        )
        return DiffResult(
            changes=bool(replaces) or changed,
            replaces=replaces,
            # Under another name it may be the same namerd: then creating first would adopt the
            # table, and deleting the old one would take it away.
            delete_before_replace=replaces == ["namerd"],
        )

    def create(self, props: Props) -> CreateResult:
        """Write a table where none is; take over one that says the same, or any by `adopt`."""
        new = Inputs.of(props)

        def refuse(live: Table) -> DtabError:
            return ExistsError(
                f"the table {new.namespace!r} exists already, with other content: "
                f"{writing.difference(live.entries, new.table)}; to replace it, set `adopt` to "
                "true (in this project: `pulumi config set adoptExisting true`)"
            )

        def may_replace(live: Table) -> bool:
            if new.adopt:
                lines = writing.difference(live.entries, new.table)
                print(f"dtab {new.namespace}: adopting the table that is there; {lines}")
            return new.adopt

        with connected(new.namerd) as connection:
            table = writing.write(Client(connection), _wanted(new, {}), may_replace, refuse)
        return CreateResult(f"{new.namerd.identity}/{new.namespace}", _outputs(props, table))

    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        """Write the table if it says something else, over what the state has seen and no more."""
        new = Inputs.of(_news)
        seen = grammar.parse(_olds["dtab"])

        def refuse(live: Table) -> DtabError:
            return ConflictError(
                f"the table {new.namespace!r} was changed by somebody else: "
                f"{writing.difference(live.entries, seen)}; nothing was written: "
                "run `pulumi up --refresh` to see the change and decide"
            )

        with connected(new.namerd) as connection:
            client = Client(connection)
            wanted = _wanted(new, inputs.weights_of(_olds))
            if wanted.is_met_by(seen):
                # Another address or credential of the same table: nothing to write.
                return UpdateResult(
                    {**_inputs(_news), "dtab": _olds["dtab"], "version": _olds["version"]}
                )
            table = writing.write(
                client, wanted, lambda live: grammar.same(live.entries, seen), refuse
            )
        return UpdateResult(_outputs(_news, table))

    def read(self, id_: str, props: Props) -> ReadResult:
        """The table as it is, as inputs too, so that drift shows as lines."""
        namespace = props["namespace"]

        def read(client: Client) -> Table | None:
            try:
                return client.read(namespace)
            except ServiceMissingError:
                if client.object_is_gone(namespace):
                    return None
                raise

        table = _with_state_credentials(inputs.namerd_of(props), read)
        if table is None:
            return ReadResult("", {})
        base, weights = splits.recognise(table.entries, inputs.weights_of(props))
        found = {
            **_inputs(props),
            "dentries": list(map(grammar.show_dentry, base)),
            "splits": weights,
        }
        return ReadResult(id_, _outputs(found, table), found)

    def delete(self, _id: str, _props: Props) -> None:
        """Delete the table, unless its content is not what the state has seen."""
        namespace, seen = _props["namespace"], grammar.parse(_props["dtab"])

        def delete(client: Client) -> None:
            try:
                writing.delete(client, namespace, seen)
            except ServiceMissingError:
                if not client.object_is_gone(namespace):
                    raise

        _with_state_credentials(inputs.namerd_of(_props), delete)


def _wanted(new: Inputs, before: splits.Splits) -> writing.Wanted:
    return writing.Wanted(new.namespace, new.table, new.splits, before)


def _inputs(props: Props) -> Props:
    """The inputs among the properties, which the state holds together with the outputs."""
    return {
        key: value for key, value in props.items() if key not in ("__provider", "dtab", "version")
    }


def _outputs(props: Props, table: Table) -> Props:
    return {**_inputs(props), "dtab": table.text, "version": table.version}


def _has_unknowns(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(map(_has_unknowns, value.values()))
    if isinstance(value, list):
        return any(map(_has_unknowns, value))
    return isinstance(value, Unknown)


def _with_state_credentials(namerd: Namerd, operation: Callable[[Client], T]) -> T:
    """Run with the credentials that the state holds, which may be out of date."""
    with connected(namerd) as connection:
        return operation(Client(connection, ABSENT_SECONDS))


def _show_errors_in_one_line(host: Any) -> None:
    """Replace the traceback that the host sends for an error of ours by the error's own line.

    The host puts `traceback.format_exc()` in its answers, which is all that a person sees.
    """
    shown = getattr(host, "traceback", None)
    if not hasattr(shown, "format_exc") or isinstance(shown, _OneLine):
        return
    host.traceback = _OneLine(shown)


class _OneLine:
    """Stands for the module `traceback` in the host."""

    def __init__(self, module: Any) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)

    def format_exc(self) -> str:
        error = sys.exc_info()[1]
        if isinstance(error, DtabError):
            return str(error)
        return str(self._module.format_exc())


class Dtab(Resource, module="namerd", name="Dtab"):
    """One dtab namespace of namerd: a base table, and weighted splits over it.

    Outputs are the inputs and `dtab`, the canonical table, with its `version`, namerd's Etag.
    """

    namespace: pulumi.Output[str]
    dentries: pulumi.Output[list[str]]
    splits: pulumi.Output[dict[str, dict[str, int]]]
    namerd: pulumi.Output[dict[str, str]]
    dtab: pulumi.Output[str]
    version: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        namespace: pulumi.Input[str],
        dentries: pulumi.Input[Sequence[pulumi.Input[str]]],
        splits: pulumi.Input[Mapping[str, pulumi.Input[Mapping[str, pulumi.Input[int]]]]],
        namerd: Mapping[str, pulumi.Input[str] | None],
        adopt: pulumi.Input[bool] = False,
        max_weight_step: pulumi.Input[int] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare a table.

        :param namespace: the dtab namespace, such as `internal`.
        :param dentries: the base table, one entry a string: `/svc => /host`.
        :param splits: whole percents by branch by prefix, adding up to 100:
            `{"/host/world": {"/srv/world-v1": 90, "/srv/world-v2": 10}}`.
        :param namerd: `url`, or `service` ("namespace/name") with `cluster` (a name that stays),
            `kubeconfig` (a path or the content; kept secret) and `context`.
        :param adopt: replace a table that exists already with other content.
        :param max_weight_step: how many percent a weight may rise at once.
        """
        reached = {key: value for key, value in namerd.items() if value is not None}
        if "kubeconfig" in reached:
            reached["kubeconfig"] = pulumi.Output.secret(reached["kubeconfig"])
        properties = {
            "namespace": namespace,
            "dentries": dentries,
            "splits": splits,
            "namerd": reached,
            "adopt": adopt,
            "max_weight_step": max_weight_step,
            "dtab": None,
            "version": None,
        }
        super().__init__(DtabProvider(), name, properties, opts)
