"""Where things lie: the project, what it writes beside its sources, what is built once."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The project's folder: where Pulumi.yaml is."""

LOCAL = ROOT / ".local"
"""All that the local node and the local stack write; ignored by git."""

CACHE = Path(
    os.environ.get("LINKERD_CANARY_CACHE")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "linkerd-canary"
)
"""What is built from pinned sources, keyed by what went into it; shared by all clones."""

VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
KUBECONFIG = LOCAL / "kubeconfig"
