"""Which cluster a stack is on: the UID of its namespace `kube-system`, kept in the state.

The resource makes nothing. All that is on the cluster waits for it, so that a kubeconfig that leads
to another cluster by now is refused before anything is written.

What old state refers to, and what therefore never changes: this module's path, the name of the
provider's class, and the resource's type `pulumi-python:dynamic/kube:ClusterIdentity`.
"""

import uuid
from collections.abc import Mapping
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

from dynamic.one_line import OneLineProvider
from dynamic.waiting import UNREACHED, is_taken_for_gone
from kube import lazily
from kube.errors import OneLineError

Props = dict[str, Any]

_INPUTS = ("identifier", "kubeconfig", "server", "uid")
"""The last two are found out when the others are checked, and not given."""

_STACK_ID = "stack_id"


class ClusterIdentityProvider(OneLineProvider):
    """Asks a kubeconfig's cluster who it is. It holds nothing between two calls."""

    def check(self, _olds: Props, news: Props) -> CheckResult:
        """Find out where the kubeconfig leads, so that a preview shows it."""
        given: Props = {key: news[key] for key in ("identifier", "kubeconfig") if key in news}
        if "kubeconfig" not in given:  # as with --continue-on-error, once what gives it has failed
            reason = "the cluster has no kubeconfig: what makes it has failed"
            return CheckResult(given, [CheckFailure("", reason)])
        if any(isinstance(value, Unknown) for value in given.values()):
            return CheckResult(given, [])
        try:
            return CheckResult(given | _operations().identity(given["kubeconfig"]), [])
        except OneLineError:
            if _olds.get("uid"):
                raise
            # A preview of a new stack does without its cluster; an update asks once more.
            return CheckResult(given, [])

    def diff(self, _id: str, _olds: Props, _news: Props) -> DiffResult:
        """Refuse another cluster under the same identifier, and the same under another one."""
        if any(isinstance(value, Unknown) for value in _news.values()):
            return DiffResult(changes=True)
        found = _news
        if not _news.get("uid"):
            # `check` lets a cluster be that does not answer where the inputs in the state lack a
            # UID, as after a creation whose `check` got no answer. It has one by now.
            found = _news | _operations().identity(_news["kubeconfig"])
        if found["identifier"] != _olds["identifier"]:
            _operations().refuse_the_same(_olds, found)
            return DiffResult(changes=True, replaces=["identifier"])
        _operations().refuse_another(_olds, found)
        return DiffResult(changes=any(found.get(key) != _olds.get(key) for key in _INPUTS))

    def create(self, props: Props) -> CreateResult:
        """Take note of the cluster."""
        found = _operations().identity(props["kubeconfig"])
        return CreateResult(found["uid"], _kept(props) | found | {_STACK_ID: uuid.uuid4().hex})

    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        """Take note of another address or other credentials of the cluster."""
        found = _operations().identity(_news["kubeconfig"])
        _operations().refuse_another(_olds, found)
        return UpdateResult(_kept(_news) | found | {_STACK_ID: _olds[_STACK_ID]})

    def read(self, id_: str, props: Props) -> ReadResult:
        """Make sure that the state's kubeconfig leads to the state's cluster."""
        try:
            found = _operations().identity_by_state(props["kubeconfig"])
        except UNREACHED:
            if is_taken_for_gone():
                return ReadResult("", {})
            raise
        _operations().refuse_another(props, found)
        return ReadResult(id_, _kept(props) | {_STACK_ID: props[_STACK_ID]}, _kept(props))

    def delete(self, _id: str, _props: Props) -> None:
        """Refuse where the state's kubeconfig leads to another cluster by now."""
        try:
            found = _operations().identity_by_state(_props["kubeconfig"])
        except OneLineError:
            return  # there is nothing to delete
        _operations().refuse_another(_props, found)


def _kept(props: Mapping[str, Any]) -> Props:
    return {key: props[key] for key in _INPUTS if key in props}


def _operations() -> Any:
    """The part that asks the cluster: only what needs it pays for its imports."""
    return lazily.module("dynamic.identifying")


class ClusterIdentity(Resource, module="kube", name="ClusterIdentity"):
    """The cluster that a stack is on.

    Outputs are `uid`, of the namespace kube-system, `server`, the API server's URL, the inputs, and
    `stack_id`, chosen at random when the stack is first on the cluster: two stacks of the same name
    in two backends have different ones.
    """

    identifier: pulumi.Output[str]
    server: pulumi.Output[str]
    uid: pulumi.Output[str]
    stack_id: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        identifier: pulumi.Input[str],
        kubeconfig: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare it.

        :param identifier: a name for the cluster; another one says that another cluster is meant.
        :param kubeconfig: the content of a kubeconfig; kept secret.
        """
        properties = {
            "identifier": identifier,
            "kubeconfig": pulumi.Output.secret(kubeconfig),
            "server": None,
            "uid": None,
            _STACK_ID: None,
        }
        super().__init__(ClusterIdentityProvider(), name, properties, opts)
