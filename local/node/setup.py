"""What the nodes are started with: programs, packages, images and configuration."""

from dataclasses import dataclass
from pathlib import Path

from local import binaries, debs
from local.archives import OwnImage
from local.cache import key
from local.node import configuration
from local.node.identity import Node
from local.node.network import Network


@dataclass(frozen=True)
class Setup:
    """Everything that is built, and the network."""

    network: Network
    programs: Path
    packages: Path
    image_tool: Path
    policies: Path
    images: dict[str, OwnImage]
    """The nodes' own images by their names in the templates."""

    @classmethod
    def prepare(cls, network: Network) -> "Setup":
        """Build what is missing. Raises LocalError."""
        return cls(
            network,
            binaries.kube(),
            debs.unpacked(),
            binaries.image_tool().parent,
            binaries.network_policies().parent,
            {
                "PAUSE_IMAGE": OwnImage(binaries.pause()),
                "COREDNS_IMAGE": OwnImage(binaries.coredns()),
            },
        )

    @property
    def folders(self) -> dict[str, Path]:
        """What a node sees of the cache; see `mounts.set_up`."""
        return {
            "programs": self.programs,
            "packages": self.packages,
            "image": self.image_tool,
            "policies": self.policies,
        }

    def files(self, node: Node) -> dict[str, str]:
        """A node's configuration files by their places."""
        names = {name: image.name for name, image in self.images.items()}
        return configuration.rendered(self.network, node, names)

    def key(self, node: Node) -> str:
        """Of all that a node is started with: with another it must be started again."""
        return key([*(folder.name for folder in self.folders.values()), *self.files(node).values()])
