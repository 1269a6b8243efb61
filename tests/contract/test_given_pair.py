"""The suite against a pair given by address, as a person would run it against the real ones."""

import subprocess
import sys

import pytest

from local.paths import ROOT
from tests.contract import stand_ins
from tests.contract.stand_ins import StandIns

pytestmark = pytest.mark.stand_ins


@pytest.mark.long
def test_the_suite_takes_addresses_of_any_pair(world: StandIns) -> None:
    ports = {
        "--namerd": world.network.bring_out((stand_ins.NAMERD, 4180)),
        "--linkerd": world.network.bring_out((stand_ins.L5D, 4140)),
        "--linkerd-admin": world.network.bring_out((stand_ins.L5D, 9990)),
    }
    addresses = [f"{option}=http://127.0.0.1:{port}" for option, port in ports.items()]
    names = [
        f"--apps-namespace={stand_ins.APPS_NAMESPACE}",
        f"--mesh-namespace={stand_ins.MESH_NAMESPACE}",
    ]
    command = [sys.executable, "-m", "pytest", "tests/contract", "-q"]
    done = subprocess.run(
        [*command, *addresses, *names],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert " passed, " in done.stdout.splitlines()[-1]


def test_an_address_alone_is_refused() -> None:
    command = [sys.executable, "-m", "pytest", "tests/contract", "--namerd=http://127.0.0.1:1"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=1500, check=False
    )
    assert done.returncode == 4
    assert "--namerd, --linkerd and --linkerd-admin go together" in done.stderr
