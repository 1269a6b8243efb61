"""Tables of a canary; what to write, and where, comes from the environment."""

import json
import os

import pulumi

from dynamic import Dtab

holder = None
if os.environ.get("DELETED_WITH") == "true":
    # Stands for what namerd runs on: deleting it succeeds without asking anybody.
    holder = pulumi.ComponentResource("harness:index:Holder", "holder")

elsewhere = json.loads(os.environ.get("ELSEWHERE", "{}"))  # another namerd for some of the names
made: list[Dtab] = []
for name in os.environ["NAMES"].split():
    dentries = json.loads(os.environ["DENTRIES"])
    if made and os.environ.get("CHAINED") == "true":
        # Known once the table before is written, and not in a preview.
        dentries.append(made[-1].version.apply(lambda _: "/after => /srv"))
    made.append(
        Dtab(
            name,
            namespace=os.environ.get("NAMESPACE", name),
            dentries=dentries,
            splits=json.loads(os.environ["SPLITS"]),
            namerd=elsewhere.get(name) or json.loads(os.environ["NAMERD"]),
            adopt=os.environ.get("ADOPT") == "true",
            opts=pulumi.ResourceOptions(deleted_with=holder),
        )
    )
for table in made:
    pulumi.export(f"{table._name}Split", table.splits)
    pulumi.export(f"{table._name}Version", table.version)
