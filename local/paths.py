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
    """Give the programs that this one starts a $HOME, and no relative $XDG_CACHE_HOME.

    Go ends without the one and with the other.
    """
    os.environ["HOME"] = str(home())
    if _caches() is None:
        os.environ.pop("XDG_CACHE_HOME", None)


def _caches() -> Path | None:
    """$XDG_CACHE_HOME; a relative one is to be ignored (XDG Base Directory Specification)."""
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return given if given.is_absolute() else None


def _cache() -> Path:
    given = os.environ.get("LINKERD_CANARY_CACHE")
    if given:
        # From a file of settings no shell has expanded it; an unknown user's ~ is a plain name.
        if given == "~" or given.startswith("~/"):
            return home() / given[1:].lstrip("/")
        return ROOT / os.path.expanduser(given)  # noqa: PTH111
    return (_caches() or home() / ".cache") / "linkerd-canary"


CACHE = _cache()
"""What is built from pinned sources, keyed by what went into it; shared by all clones."""

VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
KUBECONFIG = LOCAL / "kubeconfig"
