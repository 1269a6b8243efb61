"""`make up`: everything from an empty machine to the stack `local` in its wanted state."""

import json
from dataclasses import dataclass

from local import binaries, debs, images, node, plugin, stack, standins, toolchain
from local.paths import LOCAL
from local.progress import step

IMAGE_KEYS = ("linkerdImage", "namerdImage", "helloworldImage", "kubectlImage")
"""The config keys that name an image."""

CHOSEN = LOCAL / "images.json"
"""The images that people chose where stand-ins run now."""


@dataclass(frozen=True)
class Part:
    """One part of what runs, and whether it is the real thing."""

    name: str
    what: str
    real: bool


def build() -> None:
    """Get everything that is built or fetched once, and start nothing. Raises LocalError."""
    toolchain.pulumi()
    plugin.kubernetes()
    debs.unpacked()
    for program in binaries.NODE:
        program()
    standins.mesh_binaries()


def up() -> list[Part]:
    """Bring the toolchain, the node, the images and the stack up; which parts are real.

    Safe to repeat: only what is missing is done. Raises LocalError with one clear line.
    """
    node.check()
    toolchain.pulumi()
    kubernetes_plugin = plugin.kubernetes()
    node.up()
    provided = images.provide(_configured())
    stack.ensure()
    stack.configure({key: image.name for key, image in provided.items()})
    with step("pulumi up", live=False):
        stack.up()
    return [
        Part("pulumi", _pulumi_origin(), real=True),
        Part("kubernetes", _kubernetes(), real=True),
        Part("kubernetes plugin", kubernetes_plugin.origin, real=True),
        *(
            Part(key.removesuffix("Image"), image.name, image.real)
            for key, image in provided.items()
        ),
    ]


def _configured() -> dict[str, str]:
    """The images that people chose, by key; a stand-in's name is this command's own choice.

    What it took the place of is kept beside the node's data.
    """
    chosen = _chosen()
    config = stack.config()
    for key in IMAGE_KEYS:
        name = str(config.get(key, stack.default(key)))
        if not images.is_standin(name) or key not in chosen:
            chosen[key] = str(stack.default(key)) if images.is_standin(name) else name
    CHOSEN.parent.mkdir(exist_ok=True)
    CHOSEN.write_text(json.dumps(chosen))
    return chosen


def _chosen() -> dict[str, str]:
    """What was kept; nothing where a full disk has cut it short: then defaults are looked for."""
    try:
        kept = json.loads(CHOSEN.read_text())
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _pulumi_origin() -> str:
    if toolchain.is_own_pulumi():
        return f"built from its Go modules, {binaries.ENGINE_VERSION}"
    return f"found in {toolchain.pulumi()}"


def _kubernetes() -> str:
    number = len(node.nodes())
    return f"upstream {node.KUBERNETES_VERSION}, {number} node{'s' if number > 1 else ''}"
