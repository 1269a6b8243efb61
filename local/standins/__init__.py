"""What stands in for parts that cannot be had from package registries."""

from pathlib import Path

from local.cache import go_build

MESH = Path(__file__).parent / "mesh"


def mesh_binaries() -> Path:
    """The folder of the static programs `namerd`, `linkerd` and `helloworld`, built if need be."""
    return go_build("mesh", MESH, ["./cmd/..."])
