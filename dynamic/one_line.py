"""Errors of dynamic providers as the one line that they are, without their host's traceback."""

import sys
from typing import Any

from pulumi.dynamic import ConfigureRequest, ResourceProvider

from kube.errors import OneLineError


class OneLineProvider(ResourceProvider):
    """A dynamic provider whose errors are shown as their one line. It holds nothing.

    Old state refers to the classes that derive from this one, and not to this one.
    """

    # Pickled, a provider is a module's and a class's name: nothing to encrypt or to hide.
    serialize_as_secret_always = False

    def configure(self, req: ConfigureRequest) -> None:  # noqa: ARG002
        """Have the host that runs this provider show our errors without its own traceback."""
        show_errors(sys.modules["__main__"])


def show_errors(host: Any) -> None:
    """Replace the traceback that a host sends for a OneLineError by the error's own line.

    The host answers with `traceback.format_exc()`, which is all that a person gets to see.
    """
    shown = getattr(host, "traceback", None)
    if hasattr(shown, "format_exc") and not isinstance(shown, _OneLine):
        host.traceback = _OneLine(shown)


class _OneLine:
    """Stands for the module `traceback` in the host."""

    def __init__(self, module: Any) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)

    def format_exc(self) -> str:
        error = sys.exc_info()[1]
        return str(error) if isinstance(error, OneLineError) else str(self._module.format_exc())
