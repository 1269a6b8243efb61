"""Pods of linkerd as the API server knows them; none of them runs."""

import base64
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mesh import tls
from mesh.tls import Way
from tests.harness.apiserver import ApiServer


@dataclass
class Mesh:
    """A namespace that no other test knows."""

    api: ApiServer
    namespace: str = field(default_factory=lambda: f"mesh-{uuid.uuid4().hex[:8]}")

    def __post_init__(self) -> None:
        self.api.kubectl("create", "namespace", self.namespace)

    @property
    def kubeconfig(self) -> str:
        return self.api.kubeconfig.read_text()

    def run(
        self, name: str, way: Way | None = None, authorities: str = "", container: str = "l5d"
    ) -> None:
        """A pod whose linkerd goes this way."""
        annotations = {
            tls.ANNOTATION: way.annotation if way else "",
            tls.AUTHORITIES_ANNOTATION: authorities,
        }
        self.run_annotated(
            name, {key: text for key, text in annotations.items() if text}, container
        )

    def run_annotated(
        self, name: str, annotations: Mapping[str, str], container: str = "l5d"
    ) -> None:
        containers = [{"name": "app", "image": "none"}, {"name": container, "image": "none"}]
        self.api.apply(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "name": name,
                    "namespace": self.namespace,
                    "annotations": dict(annotations),
                },
                "spec": {"containers": containers},
            }
        )

    def end(self, name: str) -> None:
        self.api.kubectl("delete", "pod", name, "-n", self.namespace, "--now")

    def keep(self, name: str, files: Mapping[str, bytes]) -> None:
        """A Secret of these files; one that is there is replaced."""
        encoded: dict[str, Any] = {
            key: base64.b64encode(value).decode() for key, value in files.items()
        }
        metadata = {"name": name, "namespace": self.namespace}
        self.api.kubectl("delete", "secret", name, "-n", self.namespace, "--ignore-not-found")
        self.api.apply(
            {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": encoded}
        )
