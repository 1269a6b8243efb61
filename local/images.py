"""Which images the local stack runs: the real ones wherever they can be had, else stand-ins."""

import json
import re
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from local import archives, binaries, node, standins
from local.archives import OWN_REGISTRY, ForeignImageError, OwnImage, PullError
from local.errors import LocalError
from local.node.identity import STATE
from local.progress import say

STANDINS = {
    "linkerdImage": "linkerd",
    "namerdImage": "namerd",
    "helloworldImage": "helloworld",
}
"""The parts that have a stand-in, and its program in local/standins/mesh."""

TOGETHER = frozenset({"linkerdImage", "namerdImage"})
"""A stand-in does not work beside the real other one: both are real, or neither is."""

KUBECTL = "kubectlImage"
KUBECTL_PUBLISHED = f"registry.k8s.io/kubectl:{binaries.KUBERNETES_VERSION}"
"""The published image that is the very kubectl built here; it is never fetched."""

REFUSALS = STATE / "refusals.json"
"""Published images that could not be had, with why and when that was found (Unix seconds)."""

REFUSAL_SECONDS = 3600.0

_NAME = re.compile(r"\w[\w.-]*(:[0-9]+)?(/[a-z0-9._-]+)*(:[\w.-]+)?(@sha256:[0-9a-f]{64})?")
"""An image's name as people write it, by the distribution reference's grammar."""


@dataclass(frozen=True)
class Image:
    """What a part runs: the name for a pod's `image`, and whether it is the real thing."""

    name: str
    real: bool


def provide(wanted: Mapping[str, str]) -> dict[str, Image]:
    """See that the nodes have an image for each part.

    `wanted` are the configured names by part: linkerdImage, namerdImage, helloworldImage and
    kubectlImage. A part is real if the nodes have the image of that name already or its registry
    gives it within seconds; else its stand-in comes under a name of its own. kubectl is always
    real: where the published image cannot be had, it is the nodes' own build.
    """
    full = {part: full_name(name) for part, name in wanted.items()}
    present = node.image_names()
    if KUBECTL in full and full[KUBECTL] == KUBECTL_PUBLISHED:
        present |= _load([OwnImage(_kubectl(), as_name=KUBECTL_PUBLISHED)], present)
    present |= _fetch(sorted(set(full.values()) - present))
    real = together(part for part, name in full.items() if name in present)
    own = {part: _own_image(part) for part in full if part not in real}
    _load(own.values(), present)
    return {
        part: Image(name, real=True)
        if part in real
        else Image(own[part].name, real=part == KUBECTL)
        for part, name in wanted.items()
    }


def bring(name: str, archive: Path | None = None) -> str:
    """Bring an image of one's own to the nodes; its full name.

    It comes from an archive (`docker save` or an OCI layout in a tar), or from its registry.
    """
    if not _NAME.fullmatch(name):
        raise LocalError(
            f"IMAGE={name}: give an image's name, as in `make image IMAGE=example.org/web:1.4`"
        )
    full = full_name(name)
    if archive is not None:
        node.load(archive, full)
        return full
    STATE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=STATE) as folder:
        try:
            archives.pull(full, Path(folder) / "image.tar")
        except ForeignImageError as error:
            raise LocalError(
                f"{full} cannot run here ({error}): give an image for this platform"
            ) from None
        except PullError as error:
            raise LocalError(
                f"{full} cannot be had from its registry ({error}): give ARCHIVE=file.tar, "
                "as `docker save` makes it"
            ) from None
        node.load(Path(folder) / "image.tar", full)
    return full


def is_standin(name: str) -> bool:
    """Whether an image's name is one that `provide` gave to an image of our own."""
    return name.startswith(f"{OWN_REGISTRY}/")


def full_name(name: str) -> str:
    """An image's name as containerd knows it: with registry, and with tag or digest, not both.

    The rules are Docker's, which the kubelet follows: no registry means docker.io, no owner there
    means library, no tag means latest.
    """
    name, _, digest = name.partition("@")
    first, slash, rest = name.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        first, rest = "docker.io", name if slash else f"library/{name}"
    path, _, tag = rest.partition(":")
    return f"{first}/{path}@{digest}" if digest else f"{first}/{path}:{tag or 'latest'}"


def together(real: Iterable[str]) -> set[str]:
    """The parts that can be real: without one of those that go together, not the other either."""
    parts = set(real)
    return parts if parts >= TOGETHER else parts - TOGETHER


def _own_image(part: str) -> OwnImage:
    if part == KUBECTL:
        return OwnImage(_kubectl())
    program = standins.mesh_binaries() / STANDINS[part]
    key = program.parent.name.rpartition("-")[2]
    return OwnImage(program, as_name=f"{OWN_REGISTRY}/{program.name}-standin:{key}")


def _kubectl() -> Path:
    return binaries.kube() / "kubectl"


def _load(images: Iterable[OwnImage], present: set[str]) -> set[str]:
    """Load those that the nodes do not have; the names of all."""
    names = set()
    for image in images:
        names.add(image.name)
        if image.name not in present:
            node.load(image.archive())
    return names


def _fetch(names: list[str]) -> set[str]:
    """Pull published images, all at once, and load them; the names of those that came."""
    refusals = Refusals(REFUSALS)
    asked = [name for name in names if not refusals.recent(name)]
    if not asked:
        return set()
    say(f"… asking registries for {', '.join(asked)}")
    with tempfile.TemporaryDirectory(dir=STATE) as folder, ThreadPoolExecutor(len(asked)) as pool:
        pulls = {
            name: pool.submit(_pull_and_load, name, Path(folder) / f"{number}.tar")
            for number, name in enumerate(asked)
        }
        reasons = {name: pull.result() for name, pull in pulls.items()}
    refusals.add({name: reason for name, reason in reasons.items() if reason})
    for name, reason in reasons.items():
        say(f"  {name}: {reason or 'loaded'}")
    return {name for name, reason in reasons.items() if not reason}


def _pull_and_load(name: str, archive: Path) -> str | None:
    """Why a published image could not be had; none when the nodes have it now."""
    try:
        archives.pull(name, archive)
    except PullError as error:
        return str(error)
    node.load(archive, name)
    return None


class Refusals:
    """Registries that did not answer, so that the next run does not wait for them again."""

    def __init__(self, file: Path, now: Callable[[], float] = time.time) -> None:
        self._file, self._now = file, now

    def recent(self, name: str) -> bool:
        """Whether an image could not be had less than REFUSAL_SECONDS ago."""
        noted = self._read().get(name)
        return noted is not None and float(noted["time"]) > self._now() - REFUSAL_SECONDS

    def add(self, reasons: Mapping[str, str]) -> None:
        """Remember images that could not be had, each with the reason."""
        noted = {name: {"time": self._now(), "why": why} for name, why in reasons.items()}
        self._file.write_text(json.dumps(self._read() | noted, indent=2) + "\n")

    def _read(self) -> dict[str, dict[str, str | float]]:
        try:
            known: dict[str, dict[str, str | float]] = json.loads(self._file.read_text())
        except (OSError, ValueError):
            return {}
        return known
