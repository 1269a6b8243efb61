"""A cluster's identity by its provider, where the cluster does not answer or refuses."""

import json
from typing import Any

import pytest
import yaml

from dynamic.cluster_identity import ClusterIdentityProvider
from tests.harness.apiserver import ApiServer
from tests.harness.processes import free_port
from tests.harness.scripted import Reply, scripted_server
from tests.provider_host import CallError, ProviderHost, Stack, provider_host


@pytest.fixture
def stack(host: ProviderHost) -> Stack:
    return Stack(host, ClusterIdentityProvider())


def inputs(api: ApiServer, **changed: Any) -> dict[str, Any]:
    """Of the API server's administrator, with other settings of the cluster."""
    kubeconfig = yaml.safe_load(api.kubeconfig.read_text())
    kubeconfig["clusters"][0]["cluster"].update(changed)
    return {"identifier": "here", "kubeconfig": yaml.safe_dump(kubeconfig)}


def test_a_cluster_that_does_not_answer_is_not_taken_for_another(
    stack: Stack, api_server: ApiServer
) -> None:
    """The inputs lack the UID where `check` of the creation got no answer."""
    stack.up(inputs(api_server))
    assert stack.state
    for found in ("server", "uid"):
        del stack.state.inputs[found]
    away = f"https://127.0.0.1:{free_port()}"
    for identifier in ("here", "there"):
        with pytest.raises(CallError, match=f"the cluster at {away} cannot be reached"):
            stack.preview({**inputs(api_server, server=away), "identifier": identifier})
    assert stack.up(inputs(api_server)) == "same"


def test_a_password_in_the_servers_url_is_not_shown(stack: Stack, api_server: ApiServer) -> None:
    kube_system = {"kind": "Namespace", "metadata": {"name": "kube-system", "uid": "one"}}
    with scripted_server(lambda _: Reply(200, json.dumps(kube_system))) as (url, _):
        hidden = url.replace("//", "//gate:secret@")
        given = inputs(api_server, server=hidden)
        stack.up(given)
        assert stack.state
        assert stack.state.inputs["server"] == stack.state.outputs["server"] == url
        assert stack.refresh() == "read"
        assert stack.up(given) == "same"


def test_a_refused_credential_is_no_cluster_that_is_gone(api_server: ApiServer) -> None:
    nobody = api_server.kubeconfig_for("nobody-at-all").read_text()
    with provider_host(PULUMI_K8S_DELETE_UNREACHABLE="true") as host:
        stack = Stack(host, ClusterIdentityProvider())
        stack.up(inputs(api_server))
        assert stack.state
        stack.state.outputs["kubeconfig"] = nobody
        with pytest.raises(CallError, match="grant get on the namespace kube-system"):
            stack.refresh()
        away = inputs(api_server, server=f"https://127.0.0.1:{free_port()}")
        stack.state.outputs["kubeconfig"] = away["kubeconfig"]
        assert stack.refresh() == "gone"


def test_a_kubeconfig_that_something_failed_to_give_is_one_line(stack: Stack) -> None:
    """As an update with --continue-on-error has it."""
    checked = stack.host.check(stack.provider, {}, {"identifier": "here"})
    assert [reason for _, reason in checked.failures] == [
        "the cluster has no kubeconfig: what makes it has failed"
    ]
