"""namerd's dtab as a Pulumi resource.

`Dtab` is loaded when it is first asked for, so that the language and the client can be used without
Pulumi.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dynamic.dtab import Dtab

__all__ = ["Dtab"]


def __getattr__(name: str) -> Any:
    if name == "Dtab":
        from dynamic.dtab import Dtab  # noqa: PLC0415

        return Dtab
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
