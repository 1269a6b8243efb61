"""Where a stack's linkerds run, and which changes of that lose no request.

Apps send by one linkerd or the other, and it passes requests to one of its own kind. So what a
change sends by must be there before it, for every pod.
"""

from collections.abc import Mapping

DAEMONSET, BOTH, SIDECAR = "daemonset", "both", "sidecar"


def on_nodes(topology: str) -> bool:
    """Whether each node has a linkerd."""
    return topology in (DAEMONSET, BOTH)


def beside_apps(topology: str) -> bool:
    """Whether each pod of an app has a linkerd."""
    return topology in (BOTH, SIDECAR)


def sends_by_sidecar(topology: str) -> bool:
    """Whether requests go by the linkerds beside the apps, and enter by some at the edge.

    In `both` those beside the apps are there and wait.
    """
    return topology == SIDECAR


def refusal(before: str, after: str) -> str | None:
    """Why an update may not lead from one to the other, and how to go; None where it may."""
    if {before, after} != {DAEMONSET, SIDECAR}:
        return None
    return (
        f"meshTopology goes from {before} to {after} at once: pods of the one send to linkerds "
        "that pods of the other do not have; run `pulumi config set meshTopology both` and "
        "`pulumi up` first"
    )


def refusal_to_roll_out(
    before: str, after: str, former: Mapping[str, str], new: Mapping[str, str]
) -> str | None:
    """Why an update may not replace the nodes' linkerds on the way; None where it may.

    `former` and `new` are what they are started with, by config keys. In `both` they are among each
    other's addresses from their start on, before they listen.
    """
    changed = sorted(key for key in {*former, *new} if former.get(key) != new.get(key))
    if after != BOTH or not on_nodes(before) or not changed:
        return None
    it = "it" if len(changed) == 1 else "them"
    return (
        f"{', '.join(changed)} may not change on the way to meshTopology both, nor in it: requests "
        f"would be lost while the nodes' linkerds are replaced; set {it} back, and change {it} "
        "once meshTopology is daemonset or sidecar"
    )


def refusal_by(sidecar: bool, sends: bool, after: str) -> str | None:
    """The same of a running pod, which has a sidecar or not and sends by it or by its node's."""
    if after == SIDECAR and not sidecar:
        return "has no linkerd beside it yet"
    if after == DAEMONSET and sends:
        return "still sends by the linkerd beside it"
    return None
