"""One Dtab whose inputs, and what of them is left to somebody else, come from the environment."""

import json
import os

import pulumi

from dynamic import Dtab

table = Dtab(
    "internal",
    **json.loads(os.environ["INPUTS"]),
    opts=pulumi.ResourceOptions(ignore_changes=json.loads(os.environ.get("IGNORED", "[]"))),
)
pulumi.export("split", table.splits)
