"""The config keys of TLS between linkerds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from settings import readers
from settings.errors import SettingsError


@dataclass(frozen=True)
class Tls:
    """What linkerds send to one another and take, and their certificates."""

    mesh_tls: str
    """What they send: off (plain HTTP), server (TLS) or mutual (with a client certificate)."""
    mesh_tls_permissive: bool
    """Whether they also take plain HTTP, and TLS without a client certificate."""
    mesh_tls_rotation: str
    """The step of a rotation of the project's own authority: none, both or new."""
    mesh_tls_serial: int
    """A higher one has the project's own authority issue a new certificate, 1–999999."""
    mesh_tls_secret: str
    """The name of a Secret with certificates of another keeper; empty for the project's own."""

    @property
    def is_on(self) -> bool:
        """Whether certificates are needed."""
        return self.mesh_tls != "off" or self.mesh_tls_permissive

    @property
    def makes_certificates(self) -> bool:
        """Whether the project makes them."""
        return self.is_on and not self.mesh_tls_secret


KEYS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "meshTls": ("off", readers.one_of("off", "server", "mutual")),
    "meshTlsPermissive": ("false", readers.boolean),
    "meshTlsRotation": ("none", readers.one_of("none", "both", "new")),
    "meshTlsSerial": ("1", readers.integer(1, 999999)),
    "meshTlsSecret": ("", readers.optional(readers.secret_name)),
}
"""By config key its default, as in Pulumi.yaml, and its reader."""


def refuse_without_effect(tls: Tls) -> None:
    """Raise SettingsError for a key that nothing heeds beside the others."""
    given = {
        "meshTlsRotation": tls.mesh_tls_rotation,
        "meshTlsSerial": str(tls.mesh_tls_serial),
        "meshTlsSecret": tls.mesh_tls_secret,
    }
    set_keys = [key for key, value in given.items() if value != KEYS[key][0]]
    if set_keys and not tls.is_on:
        key = set_keys[0]
        raise SettingsError(
            f"config {key} is {given[key]!r} and has no effect while linkerds use no certificates: "
            f"remove it with `pulumi config rm {key}`, or set meshTls or meshTlsPermissive"
        )
    if tls.mesh_tls_secret and len(set_keys) > 1:
        key = set_keys[0]
        raise SettingsError(
            f"config {key} is for certificates that this project makes, and meshTlsSecret is "
            f"{tls.mesh_tls_secret!r}, which something else keeps: remove one of the two with "
            f"`pulumi config rm`"
        )
