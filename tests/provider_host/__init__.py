"""Drives a Pulumi dynamic provider written in Python through its real gRPC host, without a CLI.

    with provider_host() as host:
        stack = Stack(host, MyProvider())
        stack.up({"size": 1})      # check, then create, or diff and then update or replace
        stack.refresh()            # read
        stack.destroy()            # delete

`ProviderHost` starts `python -m pulumi.dynamic`, the very program that the engine starts, and
speaks the engine's protocol with it: properties go through protobuf, numbers come back as floats,
the provider is pickled and loaded again, errors come as gRPC errors. A provider's whole life takes
about a second. `Stack` keeps one resource's state the way the engine does; where the calls
themselves are of interest, use `ProviderHost`'s methods.

Nothing here knows of a certain provider: the package can be copied into another project as it is,
which a test does.
"""

from .host import UNKNOWN, CallError, Checked, Diff, ProviderHost, provider_host
from .stack import Refused, Stack, State

__all__ = [
    "UNKNOWN",
    "CallError",
    "Checked",
    "Diff",
    "ProviderHost",
    "Refused",
    "Stack",
    "State",
    "provider_host",
]
