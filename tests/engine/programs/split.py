"""The table `internal` by the stack's own config, and one more that no split is in."""

import json
import os

import pulumi

import settings
from dynamic import Dtab
from mesh import routes

config = settings.load()
if os.environ.get("REFUSE"):
    raise pulumi.RunError(os.environ["REFUSE"])
namerd = {
    "cluster": "here",
    "service": os.environ["NAMERD"],
    "kubeconfig": config.kubeconfig,
}
Dtab(
    "internal",
    namespace="internal",
    dentries=json.loads(os.environ["DENTRIES"]),
    splits=routes.internal_splits(config.services),
    baseline=routes.internal_baselines(config.services),
    namerd=namerd,
    linkerds=json.loads(os.environ["LINKERDS"]),
    max_weight_step=config.max_weight_step,
)
Dtab(
    "spare",
    namespace="spare",
    dentries=[f"/replicas/{config.replicas} => /srv"],
    splits={},
    namerd=namerd,
    linkerds=json.loads(os.environ["LINKERDS"]),
)
