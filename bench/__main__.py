"""`python -m bench [NAME …]`: all benchmarks by default; `make bench` runs it."""

import importlib
import sys

from local.errors import LocalError
from local.signals import restore_sigint

BENCHMARKS = (
    "grammar",
    "analysis",
    "provider",
    "following",
    "counters",
    "growth",
    "mesh",
    "preview",
    "node",
    "stack",
    "going_back",
)


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all; the exit status."""
    unknown = sorted(set(names) - set(BENCHMARKS))
    if unknown:
        print(f"error: no benchmark {unknown[0]!r}: there are {', '.join(BENCHMARKS)}")
        return 2
    restore_sigint()
    try:
        for name in names or BENCHMARKS:
            print(f"\n{name}", flush=True)
            importlib.import_module(f"bench.{name}").main()
    except LocalError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
