"""settings/foreign.py: config keys that look as if they did something."""

import pytest

from settings.foreign import warning

OURS = ["linkerd-canary:kubeContext", "pulumi:tags"]


def test_what_is_heeded_is_not_mentioned() -> None:
    assert warning(OURS, "linkerd-canary", "kubeconfig") is None
    assert warning([*OURS, "azure-native:subscriptionId"], "linkerd-canary", "aks") is None


def test_all_others_are_one_line_with_the_keys_that_do_it() -> None:
    keys = [*OURS, "kubernetes:context", "aws:region", "azure-native:location"]
    assert warning(keys, "linkerd-canary", "aks") == (
        "not heeded: config aws:region, azure-native:location (this project's is location), "
        "kubernetes:context (this project's is kubeContext); remove with `pulumi config rm`"
    )


@pytest.mark.parametrize("key", ["azure-native:subscriptionId", "linkerd-canaries:kubeContext"])
def test_azures_are_heeded_where_the_cluster_is_azures_alone(key: str) -> None:
    line = warning([key], "linkerd-canary", "kubeconfig")
    assert line == f"not heeded: config {key}; remove with `pulumi config rm`"
