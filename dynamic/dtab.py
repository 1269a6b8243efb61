"""A dtab namespace of namerd as a Pulumi resource, and its dynamic provider.

What old state refers to, and what therefore never changes: this module's path, the name of the
provider's class, the resource's type `pulumi-python:dynamic/namerd:Dtab` and the form of its ids.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi.dynamic import (
    CheckFailure,
    CheckResult,
    CreateResult,
    DiffResult,
    ReadResult,
    Resource,
    UpdateResult,
)
from pulumi.output import Unknown

from dynamic import inputs, marks, splits
from dynamic.inputs import Inputs
from dynamic.one_line import OneLineProvider
from dynamic.tables import entries_of
from kube import lazily

Props = dict[str, Any]


_TYPE = "pulumi-python:dynamic/namerd:Dtab"


class DtabProvider(OneLineProvider):
    """Creates, reads, updates and deletes dtab namespaces. It holds nothing between two calls."""

    def check(self, _olds: Props, news: Props) -> CheckResult:
        """Check every input, and bring it into its one form."""
        found, failures = inputs.checked(_olds, news, lambda value: isinstance(value, Unknown))
        # With the property's name, the engine would print its value too: the kubeconfig's, say.
        return CheckResult(found, [CheckFailure("", failure) for failure in failures])

    def diff(self, _id: str, _olds: Props, _news: Props) -> DiffResult:
        """Compare what the tables mean. Only another namespace or namerd replaces."""
        if _has_unknowns(_news):
            return DiffResult(changes=True)
        new, old = Inputs.of(_news), inputs.target_of(_olds)
        if new.namespace != _olds["namespace"]:
            return DiffResult(changes=True, replaces=["namespace"])
        if new.target.identity != old.identity:
            if not _operations().is_same_namerd(new, _olds):
                return DiffResult(changes=True, replaces=["namerd"])
        elif new.target != old:
            _operations().must_be_same_cluster(new, _olds)
        return DiffResult(changes=_has_changes(new, _olds, _news))

    def create(self, props: Props) -> CreateResult:
        """Write a table where none is, or over any by `adopt`."""
        return CreateResult(*_operations().create(props))

    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        """Write the table if it says something else, over what the state has seen and no more."""
        return UpdateResult(_operations().update(_olds, _news))

    def read(self, id_: str, props: Props) -> ReadResult:
        """The table as it is, as inputs too, so that drift shows as lines."""
        found = _operations().read(props)
        if found is None:
            return ReadResult("", {})
        live_inputs, state = found
        return ReadResult(id_, state, live_inputs)

    def delete(self, _id: str, _props: Props) -> None:
        """Delete the table, unless its content is not what the state has seen."""
        _operations().delete(_props)


def _operations() -> Any:
    """The part that talks to namerd: only what needs it pays for its imports."""
    return lazily.module("dynamic.operations")


def _has_changes(new: Inputs, olds: Props, news: Props) -> bool:
    """Whether the state is of other inputs, or the table may not be what the state has."""
    if new.target != inputs.target_of(olds) or _says_something_else(new, olds):
        return True
    if new.target.url is not None:
        return False
    # With `adopt` away it can be set anew.
    if new.linkerds != inputs.linkerds_of(olds) or new.adopt != bool(olds.get("adopt")):
        return True
    # Without a claim the state is of an older release, whose tables said nothing of their keeper.
    if not olds.get("claim") or olds.get("kept_by") or olds.get("lagging"):
        return True
    return bool(_operations().is_to_be_written(olds, news))


def _says_something_else(new: Inputs, olds: Props) -> bool:
    known = inputs.weights_of(olds)
    return known != new.splits or splits.recognise(entries_of(olds["dtab"]), known) != (
        new.base,
        known,
    )


def _has_unknowns(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(map(_has_unknowns, value.values()))
    if isinstance(value, list):
        return any(map(_has_unknowns, value))
    return isinstance(value, Unknown)


class Dtab(Resource, module="namerd", name="Dtab"):
    """One dtab namespace of namerd: a base table, and weighted splits over it.

    Outputs are the inputs and `dtab`, the canonical table, with its `version`: the object's
    resourceVersion, or namerd's Etag.
    """

    namespace: pulumi.Output[str]
    dentries: pulumi.Output[list[str]]
    splits: pulumi.Output[dict[str, dict[str, float]]]
    namerd: pulumi.Output[dict[str, str]]
    dtab: pulumi.Output[str]
    version: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        namespace: pulumi.Input[str],
        dentries: pulumi.Input[Sequence[pulumi.Input[str]]],
        splits: pulumi.Input[Mapping[str, pulumi.Input[Mapping[str, pulumi.Input[float]]]]],
        namerd: Mapping[str, pulumi.Input[str] | None],
        linkerds: Mapping[str, pulumi.Input[str]] | None = None,
        adopt: pulumi.Input[bool] = False,
        max_weight_step: pulumi.Input[float] | None = None,
        owner: pulumi.Input[str] = "",
        baseline: pulumi.Input[Mapping[str, pulumi.Input[str]]] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare a table.

        :param namespace: the dtab namespace, such as `internal`.
        :param dentries: the base table, one entry a string: `/svc => /host`.
        :param splits: percents by branch by prefix, with at most two decimals, adding up to 100:
            `{"/host/world": {"/srv/world-v1": 99.5, "/srv/world-v2": 0.5}}`.
        :param namerd: `url`, or `service` ("namespace/name") with `cluster` (a name that stays),
            `kubeconfig` (a path or the content; kept secret) and `context`.
        :param linkerds: who follows the table, to be asked after a write: `namespace` and
            `selector` ("app=l5d") of their pods, `router` (its label), `port` (of admin, "9990").
        :param adopt: take over a table that exists already, whoever keeps it. Once it has, it is
            spent, until it is set anew.
        :param owner: what tells this stack from another of the same name in another backend.
        :param max_weight_step: how many percent a weight may rise at once.
        :param baseline: the branch of a split whose weight may rise at any step, as the way back,
            by prefix: `{"/host/world": "/srv/world-v1"}`. For a split that is not named, it is the
            branch that sorts first among those of the state.
        """
        reached = {key: value for key, value in namerd.items() if value is not None}
        if "kubeconfig" in reached:
            reached["kubeconfig"] = pulumi.Output.secret(reached["kubeconfig"])
        properties = {
            "namespace": namespace,
            "dentries": dentries,
            "splits": splits,
            "namerd": reached,
            "resource": _resource(name, owner, opts),
            "linkerds": dict(linkerds) if linkerds else None,
            "adopt": adopt,
            "max_weight_step": max_weight_step,
            "baseline": baseline,
            "dtab": None,
            "version": None,
        }
        super().__init__(DtabProvider(), name, properties, opts)


def _resource(
    name: str, owner: pulumi.Input[str], opts: pulumi.ResourceOptions | None
) -> pulumi.Output[str]:
    """Organization, URN and owner of the resource to be: its table says who keeps it."""
    found = pulumi.resource.create_urn(name, _TYPE, opts.parent if opts else None)
    # Its value alone: who depends on his parent waits for all that is below it, and so for himself.
    urn = pulumi.Output(set(), found.future(with_unknowns=True), found.is_known())
    return pulumi.Output.all(urn, owner).apply(
        lambda known: marks.resource_of(pulumi.get_organization(), *known)
    )
