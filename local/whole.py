"""`make up`: everything from an empty machine to the stack `local` in its wanted state."""

from dataclasses import dataclass

from local import binaries, debs, images, node, stack, standins, toolchain
from local.progress import say, step

IMAGE_KEYS = ("linkerdImage", "namerdImage", "helloworldImage", "kubectlImage")
"""The config keys that name an image."""


@dataclass(frozen=True)
class Part:
    """One part of what runs, and whether it is the real thing."""

    name: str
    what: str
    real: bool


def build() -> None:
    """Get everything that is built or fetched once, and start nothing. Raises LocalError."""
    toolchain.pulumi()
    debs.unpacked()
    for program in (binaries.kube, binaries.coredns, binaries.pause, binaries.image_tool):
        program()
    standins.mesh_binaries()


def up() -> list[Part]:
    """Bring the toolchain, the node, the images and the stack up; which parts are real.

    Safe to repeat: only what is missing is done. Raises LocalError with one clear line.
    """
    toolchain.pulumi()
    node.up()
    plugin_is_real = toolchain.install_kubernetes_plugin()
    provided = images.provide({key: _configured(key) for key in IMAGE_KEYS})
    stack.ensure()
    stack.configure({key: image.name for key, image in provided.items()})
    say("… pulumi up")
    with step("the stack is brought up"):
        stack.pulumi("up", "--yes", "--skip-preview")
    return [
        Part("pulumi", _pulumi_origin(), real=True),
        Part("kubernetes", f"upstream {node.KUBERNETES_VERSION}, one node", real=True),
        Part("kubernetes plugin", _plugin_origin(plugin_is_real), plugin_is_real),
        *(
            Part(key.removesuffix("Image"), image.name, image.real)
            for key, image in provided.items()
        ),
    ]


def _configured(key: str) -> str:
    """The image that people chose for a key; a stand-in's name is this command's own choice."""
    name = str(stack.config().get(key, stack.default(key)))
    return str(stack.default(key)) if images.is_standin(name) else name


def _pulumi_origin() -> str:
    if toolchain.is_own_pulumi():
        return f"built from its Go modules, {toolchain.ENGINE_VERSION}"
    return f"found in {toolchain.pulumi()}"


def _plugin_origin(real: bool) -> str:
    return "Pulumi's own" if real else "local/standins/kubernetes"
