"""Image archives: our own programs' images, and published ones fetched out here for the node."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from local import binaries
from local.cache import built, run
from local.progress import activity

OWN_REGISTRY = "linkerd-canary.local"
"""Where the names of our own images lie: nowhere, and so never taken for published ones."""

ANSWER_SECONDS = 4
PULL_MINUTES = 10


@dataclass(frozen=True)
class OwnImage:
    """An image of one static program; the same program always has the same name and digest."""

    program: Path
    as_name: str | None = None

    @property
    def name(self) -> str:
        """The image's full name; unless given, tagged with the key of the program's build."""
        key = self.program.parent.name.rsplit("-", 1)[-1]
        return self.as_name or f"{OWN_REGISTRY}/{self.program.name}:{key}"

    def archive(self) -> Path:
        """The image's archive, built once."""
        tool = binaries.image_tool()

        def make(folder: Path) -> None:
            run([tool, "build", self.name, folder / "image.tar", self.program])

        inputs = [tool.parent.name, self.program.parent.name, self.name]
        return built(f"image-{self.program.name}", inputs, make) / "image.tar"


class PullError(Exception):
    """A published image cannot be had; the text says why."""


class ForeignImageError(PullError):
    """It is for other platforms than this machine's, as its archive would be."""


_FOREIGN = 5
"""The image tool's exit status for it."""


def pull(name: str, archive: Path) -> None:
    """Fetch a published image, by its full name, into an archive; PullError when that fails.

    The registry has ANSWER_SECONDS to say whether it has the image; the whole may take
    PULL_MINUTES.
    """
    limits = ["-answer", f"{ANSWER_SECONDS}s", "-limit", f"{PULL_MINUTES}m"]
    command = [str(binaries.image_tool()), "pull", *limits, name, str(archive)]
    with activity(f"pulling {name}"):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["no reason given"]
        raise (ForeignImageError if done.returncode == _FOREIGN else PullError)(said[-1])
