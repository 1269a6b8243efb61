"""The routing tables before any split: how a name becomes a Kubernetes service.

A dtab is read from its last entry up: each `/prefix => destination` rewrites a name until it is one
of `/#/io.l5d.k8s/<namespace>/<port name>/<service>`, which namerd's Kubernetes namer looks up.
"""


def external(apps_namespace: str) -> list[str]:
    """What comes from outside goes to hello, whatever host it asked for."""
    return [
        f"/host => /#/io.l5d.k8s/{apps_namespace}/http/hello",
        "/svc/* => /host",
    ]


def internal(apps_namespace: str) -> list[str]:
    """A service asks for another by its name; a split stands in for a name that has versions."""
    return [
        f"/srv => /#/io.l5d.k8s/{apps_namespace}/http",
        "/host => /srv",
        "/tmp => /srv",
        "/svc => /host",
    ]


def canary_split(weight: int) -> dict[str, dict[str, int]]:
    """World's traffic: `weight` percent to world-v2, the rest to world-v1."""
    return {"/host/world": {"/srv/world-v1": 100 - weight, "/srv/world-v2": weight}}
