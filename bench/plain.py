"""As many resources as are asked for, with as many bytes in the state: nothing but the engine.

Run by the engine, with RESOURCES and BYTES (of one resource's inputs) in the environment.
"""

import os

import pulumi

VALUE = "x" * 40
"""About the length of a value in a Kubernetes object."""

for number in range(int(os.environ["RESOURCES"])):
    values = {f"key-{key:03}": VALUE for key in range(int(os.environ["BYTES"]) // 53)}
    # Each value takes its own length, its key's, quotes, a colon and a comma.
    pulumi.CustomResource("kubernetes:core/v1:ConfigMap", f"plain-{number}", {"data": values})
