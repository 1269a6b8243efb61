"""`python -m bench.mesh`; `make bench-mesh` runs it."""

import argparse
import sys
from contextlib import suppress
from pathlib import Path

from bench import mesh
from bench.mesh import job, load
from local.errors import LocalError
from local.signals import restore_sigint


def main(arguments: list[str]) -> int:
    """Measure on loopback, or on a cluster; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.mesh", description=main.__doc__)
    parser.add_argument("--seconds", type=_seconds, default=load.SECONDS, help="of each figure")
    where = parser.add_subparsers(dest="where", metavar="loopback | cluster", required=False)
    loopback = where.add_parser("loopback", help="processes on this machine (the default)")
    loopback.add_argument("--programs", type=Path, help="a folder with the real linkerd and namerd")
    loopback.add_argument("--picture", type=Path, default=mesh.PICTURE, help="an SVG file")
    job.add_options(where.add_parser("cluster", help="Jobs on the cluster of a kubeconfig"))
    given = parser.parse_args(arguments)
    restore_sigint()
    try:
        if given.where == "cluster":
            job.main(given, given.seconds)
        elif given.where == "loopback":
            mesh.main(given.programs, given.seconds, given.picture)
        else:
            mesh.main(seconds=given.seconds)
    except LocalError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _seconds(text: str) -> float:
    """A figure's length; argparse says what is wrong with another one."""
    with suppress(ValueError):
        if 1 <= (seconds := float(text)) <= 600:
            return seconds
    raise argparse.ArgumentTypeError(f"{text} is no number of seconds from 1 to 600")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
