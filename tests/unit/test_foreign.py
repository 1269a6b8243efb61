"""settings/foreign.py: config keys that look as if they did something."""

import pytest

from settings.foreign import warning

OURS = ["linkerd-canary:kubeContext", "pulumi:tags"]


def test_keys_with_an_effect_are_not_mentioned() -> None:
    assert warning(OURS, "linkerd-canary", "kubeconfig") is None
    assert warning([*OURS, "azure-native:subscriptionId"], "linkerd-canary", "aks") is None


def test_all_others_are_one_line_with_the_keys_that_do_it() -> None:
    keys = [*OURS, "kubernetes:context", "aws:region", "azure-native:location"]
    assert warning(keys, "linkerd-canary", "aks") == (
        "without effect: config aws:region, azure-native:location (this project's key is "
        "location), kubernetes:context (this project's key is kubeContext); remove with "
        "`pulumi config rm`"
    )


@pytest.mark.parametrize("key", ["azure-native:subscriptionId", "linkerd-canaries:kubeContext"])
def test_azures_keys_have_an_effect_with_platform_aks_only(key: str) -> None:
    line = warning([key], "linkerd-canary", "kubeconfig")
    assert line == f"without effect: config {key}; remove with `pulumi config rm`"
