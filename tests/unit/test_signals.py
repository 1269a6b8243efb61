"""What is started in the background, where shells let SIGINT be ignored."""

import signal
import subprocess
import sys

import pytest

from local.paths import ROOT

SHOWN = "import signal; print(int(signal.getsignal(signal.SIGINT) is signal.SIG_IGN))"
PROGRAM = f"""\
import subprocess, sys
from local.signals import restore_sigint
restore_sigint()
subprocess.run([sys.executable, "-c", {SHOWN!r}], check=True)
"""


@pytest.mark.parametrize("program", [SHOWN, PROGRAM], ids=["by itself", "heeding"])
def test_what_a_background_job_starts_can_be_interrupted(program: str) -> None:
    done = subprocess.run(
        ["sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == ("1" if program == SHOWN else "0")
    assert signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
