"""The local commands, `python -m local COMMAND`; `make` runs most of them."""

import argparse
import errno
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

from local import images, node, policies, stack, toolchain, tour, whole
from local.errors import LocalError
from local.paths import KUBECONFIG, VENV, ensure_home
from local.signals import exit_on_termination, restore_sigint

ADVICE = {
    errno.EACCES: "these files belong to root: run it as root",
    errno.EPERM: "these files belong to root: run it as root",
    errno.EROFS: "the clone, the home folder and the cache have to be writable",
    errno.ENOSPC: "free some space and run it again: it goes on from here",
    errno.EDQUOT: "free some space and run it again: it goes on from here",
}
"""What to do about faults of the file system that can show at any write."""


def main() -> int:
    """Run one command; its exit status."""
    commands: dict[str, Callable[..., None]] = {
        "up": _up,
        "down": _down,
        "build": _build,
        "env": _env,
        "status": _status,
        "policies": _policies,
        "image": _image,
    }
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    parser.add_argument("command", choices=commands)
    parser.add_argument("arguments", nargs="*", help="image: its name [and an archive's path]")
    given = parser.parse_args()
    command = commands[given.command]
    if given.arguments and command is not _image:
        parser.error(f"{given.command} takes no argument")
    if len(given.arguments) > 2:
        parser.error("image takes its name and at most one archive")
    restore_sigint()
    exit_on_termination()
    ensure_home()
    try:
        command(*given.arguments)
    except LocalError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        if error.errno not in ADVICE:
            raise
        where = f"{error.filename}: " if error.filename else ""
        print(f"error: {where}{error.strerror}; {ADVICE[error.errno]}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; run it again to go on from here", file=sys.stderr)
        return 130
    return 0


def _up() -> None:
    with stack.held():
        tour.show(whole.up())


def _down() -> None:
    with stack.taken_over():
        node.down()


def _build() -> None:
    """Build what `up` builds, and start nothing."""
    whole.build()


def _status() -> None:
    node.status()


def _policies() -> None:
    """Print what to give to `pulumi preview --policy-pack`, ready to run."""
    print(policies.pack())


def _image(name: str = "", archive: str = "") -> None:
    """Bring an image to the local nodes: from an archive, or from its registry outside."""
    print(images.bring(name, Path(archive) if archive else None))


def _env() -> None:
    """Print what a shell needs: `eval "$(make -s env)"`."""
    for name, value in {**toolchain.environment(), "KUBECONFIG": str(KUBECONFIG)}.items():
        print(f"export {name}={shlex.quote(value)}")
    folders = ":".join(map(str, [*toolchain.program_folders(), VENV / "bin"]))
    print(f'export PATH={shlex.quote(folders)}:"$PATH"')


if __name__ == "__main__":
    sys.exit(main())
