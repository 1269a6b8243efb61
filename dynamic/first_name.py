"""What a stack was called at its first update, whatever it is called by now.

Names in Azure cannot be changed: what a stack's cluster is called by default goes by this one.

What old state refers to, and what therefore never changes: this module's path, the name of the
provider's class, and the resource's type `pulumi-python:dynamic/stack:FirstName`.
"""

from typing import Any

import pulumi
from pulumi.dynamic import (
    CreateResult,
    DiffResult,
    ReadResult,
    Resource,
    ResourceProvider,
)
from pulumi.runtime.sync_await import _sync_await

Props = dict[str, Any]


class FirstNameProvider(ResourceProvider):
    """Keeps what it was given first."""

    serialize_as_secret_always = False  # a module's and a class's name: nothing to encrypt

    def diff(self, _id: str, _olds: Props, _news: Props) -> DiffResult:
        """Let the state's name be, whatever the program says."""
        return DiffResult(changes=False)

    def create(self, props: Props) -> CreateResult:
        """Take note of the name."""
        return CreateResult("name", {"name": props["name"]})

    def read(self, id_: str, props: Props) -> ReadResult:
        """Nothing outside the state could have changed it."""
        return ReadResult(id_, {"name": props["name"]}, {"name": props["name"]})


class FirstName(Resource, module="stack", name="FirstName"):
    """The stack's first name."""

    name: pulumi.Output[str]

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(FirstNameProvider(), name, {"name": pulumi.get_stack()}, opts)


def first_name() -> str:
    """The stack's first name, which this declares a resource for.

    It is waited for as the SDK waits for the answer to a question of the program's.
    """
    return str(_sync_await(FirstName("stack").name.future()))
