"""One table of a canary; what to write, and where, comes from the environment."""

import json
import os

import pulumi

from dynamic import Dtab

holder = None
if os.environ.get("DELETED_WITH") == "true":
    # Stands for what namerd runs on: deleting it succeeds without asking anybody.
    holder = pulumi.ComponentResource("harness:index:Holder", "holder")

made = [
    Dtab(
        name,
        namespace=name,
        dentries=json.loads(os.environ["DENTRIES"]),
        splits=json.loads(os.environ["SPLITS"]),
        namerd=json.loads(os.environ["NAMERD"]),
        adopt=os.environ.get("ADOPT") == "true",
        opts=pulumi.ResourceOptions(deleted_with=holder),
    )
    for name in os.environ["NAMES"].split()
]
for table in made:
    pulumi.export(f"{table._name}Split", table.splits)
    pulumi.export(f"{table._name}Version", table.version)
