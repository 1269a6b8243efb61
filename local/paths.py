"""Where things lie: the project, what it writes beside its sources, what is built once."""

import os
import pwd
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The project's folder: where Pulumi.yaml is."""

LOCAL = ROOT / ".local"
"""All that the local nodes and the local stack write; ignored by git."""


def home() -> Path:
    """The home folder: $HOME, else the one in passwd; .local/home for a user who has neither."""
    given = os.environ.get("HOME", "")
    if Path(given).is_absolute():
        return Path(given)
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return LOCAL / "home"


def ensure_home() -> None:
    """Give the programs that this one starts a $HOME where there is none: Go ends without."""
    os.environ["HOME"] = str(home())


CACHE = Path(
    os.environ.get("LINKERD_CANARY_CACHE")
    or Path(os.environ.get("XDG_CACHE_HOME") or home() / ".cache") / "linkerd-canary"
)
"""What is built from pinned sources, keyed by what went into it; shared by all clones."""

VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
KUBECONFIG = LOCAL / "kubeconfig"
