"""The mesh's own certificates: an authority and a certificate for all linkerds, kept in the state.

What old state refers to, and what therefore never changes: this module's path, the name of the
provider's class, and the resource's type `pulumi-python:dynamic/mesh:Certificates`.
"""

from collections.abc import Sequence
from typing import Any

import pulumi
from pulumi.dynamic import (
    CheckResult,
    CreateResult,
    DiffResult,
    Resource,
    UpdateResult,
)

from dynamic.one_line import OneLineProvider
from kube import lazily

AUTHORITY_DAYS = 3650
LEAF_DAYS = 365
"""How long what is issued is valid. A certificate that serves for years is one whose renewal was
never tried."""

SECRET = ("key", "authority_key", "next_authority_key")
"""The outputs that are private keys."""

_OUTPUTS = (
    *SECRET,
    "certificate",
    "authority",
    "next_authority",
    "bundle",
    "authorities",
    "digest",
    "expires",
)

Props = dict[str, Any]


class CertificatesProvider(OneLineProvider):
    """Issues certificates. What it has issued is in the state and nowhere else."""

    def check(self, _olds: Props, news: Props) -> CheckResult:
        """Take what `Certificates` has checked."""
        return CheckResult(news, [])

    def diff(self, _id: str, _olds: Props, _news: Props) -> DiffResult:
        """Raise CertificatesError, in previews too, where the next step would lose requests."""
        _operations().refuse(_olds, _news)
        changed = any(_olds[key] != _news[key] for key in ("rotation", "serial"))
        return DiffResult(changes=changed)

    def create(self, props: Props) -> CreateResult:
        """Issue an authority and a certificate."""
        return CreateResult("certificates", _operations().issued({}, props))

    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        """Issue what the next step needs, and keep the rest."""
        return UpdateResult(_operations().issued(_olds, _news))


def _operations() -> Any:
    """The part that needs cryptography: only what issues or judges pays for its import."""
    return lazily.module("mesh.rotating")


class Certificates(Resource, module="mesh", name="Certificates"):
    """An authority, and a certificate of it that every linkerd has, as server and as client."""

    bundle: pulumi.Output[str]
    """The certificates of the authorities that are trusted, as PEM."""
    certificate: pulumi.Output[str]
    key: pulumi.Output[str]
    """PKCS#8; secret, as the authorities' own keys are."""
    authorities: pulumi.Output[str]
    """Which are trusted and which one has issued, for `mesh.tls.AUTHORITIES_ANNOTATION`."""
    digest: pulumi.Output[str]
    """Another one whenever bundle or certificate change, and never one that was there before."""
    expires: pulumi.Output[dict[str, str]]
    """When `certificate` and its `authority` end, such as 2027-03-01T12:00:00Z."""

    def __init__(
        self,
        name: str,
        *,
        rotation: str,
        serial: int,
        namespaces: Sequence[str],
        kubeconfig: pulumi.Input[str],
        authority_days: float = AUTHORITY_DAYS,
        leaf_days: float = LEAF_DAYS,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare it.

        :param rotation: none, both (a new authority is trusted too) or new (and issues).
        :param serial: a higher one issues a new certificate of the same authority.
        :param namespaces: where linkerds run; they are looked at before a step of a rotation.
        :param authority_days: how long authorities issued from now on are valid.
        :param leaf_days: how long certificates issued from now on are.
        """
        properties: Props = {
            "rotation": rotation,
            "serial": serial,
            "namespaces": list(namespaces),
            "kubeconfig": pulumi.Output.secret(kubeconfig),
            "authority_days": authority_days,
            "leaf_days": leaf_days,
            **dict.fromkeys(_OUTPUTS),
        }
        hidden = pulumi.ResourceOptions(additional_secret_outputs=list(SECRET))
        merged = pulumi.ResourceOptions.merge(opts, hidden)
        super().__init__(CertificatesProvider(), name, properties, merged)
