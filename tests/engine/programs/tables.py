"""A kind of its own and a ConfigMap, from YAML, and an object of that kind."""

from typing import Any

import pulumi
import pulumi_kubernetes as k8s

TEXT = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: tables.example.net}
spec:
  group: example.net
  scope: Namespaced
  names: {kind: Table, plural: tables}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: ConfigMap, metadata: {name: from-yaml}, data: {a: b}}
"""

group = k8s.yaml.ConfigGroup("group", yaml=[TEXT])
content: Any = {"dentries": ["/a => /b"]}
k8s.apiextensions.CustomResource(
    "table",
    api_version="example.net/v1",
    kind="Table",
    metadata={
        "name": "table",
        # The garbage collector takes half a minute to learn of a new kind.
        "annotations": {"pulumi.com/deletionPropagationPolicy": "background"},
    },
    spec=content,
    opts=pulumi.ResourceOptions(depends_on=[group]),
)
