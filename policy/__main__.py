"""The policy pack that `pulumi up --policy-pack policy` runs."""

import sys
from pathlib import Path

# The engine runs this folder by itself; the rules on tables need the dtab language beside it.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from policy.aks import CLOSED_API_SERVER, SUPPORTED_KUBERNETES
from policy.exposure import PRIVATE_ADMIN, SOURCE_RANGES
from policy.hardening import HARDENED_PODS, NO_HOST_PORTS
from policy.images import PINNED_IMAGES
from policy.outputs import SECRET_OUTPUTS
from policy.pack import serve
from policy.rights import TABLE_RIGHTS
from policy.tables import DECLARED_BRANCHES

serve(
    [
        PRIVATE_ADMIN,
        SOURCE_RANGES,
        SECRET_OUTPUTS,
        PINNED_IMAGES,
        CLOSED_API_SERVER,
        SUPPORTED_KUBERNETES,
        DECLARED_BRANCHES,
        NO_HOST_PORTS,
        HARDENED_PODS,
        TABLE_RIGHTS,
    ]
)
