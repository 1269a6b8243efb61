"""Pod Security: which pods a namespace admits."""

from collections.abc import Sequence

import pulumi
import pulumi_kubernetes as k8s

RESTRICTED, BASELINE = "restricted", "baseline"


def enforce(
    name: str,
    namespace: str,
    level: str,
    after: Sequence[pulumi.Resource],
    opts: pulumi.ResourceOptions,
) -> k8s.core.v1.NamespacePatch:
    """Have a namespace refuse pods that want more than a level.

    A stricter level comes after what runs there. Of a stack whose pods wanted more before, an
    update that stopped halfway would else leave pods that could not be started again.
    """
    modes = ("enforce", "warn", "audit")
    return k8s.core.v1.NamespacePatch(
        name,
        metadata={
            "name": namespace,
            "labels": {f"pod-security.kubernetes.io/{mode}": level for mode in modes},
        },
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=list(after))),
    )
