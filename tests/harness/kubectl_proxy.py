"""An API server by plain HTTP on a free port of loopback."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.harness.processes import running

_SAID = "Starting to serve on "


@contextmanager
def kubectl_proxy(kubectl: Sequence[str | Path], folder: Path) -> Iterator[str]:
    """Run `kubectl proxy`, as whoever kubectl's options say; its URL. It logs to the folder."""
    log = folder / "proxy.log"
    with running([*kubectl, "proxy", "--port=0"], log) as process:
        process.wait_until(lambda: _SAID in log.read_text(), "kubectl proxy serves")
        yield "http://" + log.read_text().partition(_SAID)[2].split()[0]
