"""TLS between a stack's linkerds: what they send and take, and the Secret that their pods mount."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from mesh import expiry, tls
from mesh.certificates import Certificates
from mesh.tls import Way
from mesh.tls_change import Tls


@dataclass(frozen=True)
class Mounted:
    """What a pod with a linkerd needs for TLS; empty without it."""

    volumes: Sequence[Mapping[str, Any]] = ()
    mounts: Sequence[Mapping[str, Any]] = ()
    """Of linkerd's container."""
    annotations: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    """With these the pods are replaced whenever their certificates are."""


class Encryption:
    """A stack's TLS. What it refuses, it refuses before anything else is made."""

    way: Way
    change: Tls
    """Comes before all that a change of TLS touches."""
    expires: pulumi.Output[dict[str, str]]
    """When `certificate` and `authority` end; empty without TLS."""

    def __init__(
        self,
        way: Way,
        rotation: str,
        serial: int,
        namespaces: Sequence[str],
        kubeconfig: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Check it, and issue certificates where `way` has the project make them.

        `namespaces` are those in which linkerds run.
        """
        self.way = way
        self._serial = serial
        self._certificates: Certificates | None = None
        given = way.source if way.source not in ("", tls.OWN) else ""
        self.change = Tls(
            "tls",
            mode=way.mode,
            permissive=way.permissive,
            secret=given,
            namespaces=namespaces,
            kubeconfig=kubeconfig,
            opts=opts,
        )
        self.expires = self.change.expires
        if way.source == tls.OWN:
            after = pulumi.ResourceOptions(depends_on=[self.change])
            self._certificates = Certificates(
                "certificates",
                rotation=rotation,
                serial=serial,
                namespaces=namespaces,
                kubeconfig=kubeconfig,
                opts=pulumi.ResourceOptions.merge(opts, after),
            )
            self.expires = self._certificates.expires
        self.expires.apply(self._warn)

    @property
    def resources(self) -> list[pulumi.Resource]:
        """What refuses a change."""
        return [self.change, *([self._certificates] if self._certificates else [])]

    def mounted_in(self, namespace: str, opts: pulumi.ResourceOptions) -> Mounted:
        """What the pods of a namespace need, with a Secret there of the project's certificates.

        Other certificates are in a Secret of another name, which no Secret had before: it is made
        before the pods that mount it, and the former one is deleted after the pods that mounted it.
        """
        if not self.way.source:
            return Mounted()
        annotations: dict[str, pulumi.Input[str]] = {tls.ANNOTATION: self.way.annotation}
        name: pulumi.Input[str] = self.way.source
        if self._certificates:
            secret = _secret(self._certificates, namespace, opts)
            name = secret.metadata["name"]
            annotations[tls.AUTHORITIES_ANNOTATION] = self._certificates.authorities
        volume = {"name": tls.VOLUME, "secret": {"secretName": name, "defaultMode": 0o440}}
        mount = {"name": tls.VOLUME, "mountPath": tls.FOLDER, "readOnly": True}
        return Mounted([volume], [mount], annotations)

    def _warn(self, expires: Mapping[str, str]) -> None:
        if self._certificates:
            remedies = {
                "certificate": f"`pulumi config set meshTlsSerial {self._serial + 1}` and `pulumi "
                "up` give linkerds a new one",
                "authority": "set meshTlsRotation to both, to new and to none again, with a "
                "`pulumi up` after each",
            }
        else:
            keeper = f"have the keeper of Secret {self.way.source} (meshTlsSecret) renew it"
            remedies = {"certificate": keeper, "authority": keeper}
        for line in expiry.warnings(expires or {}, remedies, expiry.now()):
            pulumi.log.warn(line, self._certificates or self.change)


def _secret(
    certificates: Certificates, namespace: str, opts: pulumi.ResourceOptions
) -> k8s.core.v1.Secret:
    metadata: Any = {
        "name": certificates.digest.apply(lambda digest: f"l5d-tls-{digest}"),
        "namespace": namespace,
    }
    return k8s.core.v1.Secret(
        f"l5d-tls-{namespace}",
        metadata=metadata,
        immutable=True,
        string_data={
            tls.AUTHORITIES: certificates.bundle,
            tls.CERTIFICATE: certificates.certificate,
            tls.KEY: certificates.key,
        },
        opts=opts,
    )
