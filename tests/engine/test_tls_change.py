"""What a change of TLS may do to linkerds that run, and which given Secrets are taken."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from mesh.tls import Way
from mesh.tls_change import TlsProvider
from tests.engine.live_pods import Mesh
from tests.harness import pairs
from tests.harness.apiserver import ApiServer
from tests.harness.pairs import DAY, Made
from tests.harness.processes import free_port
from tests.provider_host import CallError, ProviderHost, Stack
from tests.provider_host.host import UNKNOWN

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def mesh(api_server: ApiServer) -> Mesh:
    return Mesh(api_server)


@pytest.fixture
def stack(host: ProviderHost) -> Stack:
    return Stack(host, TlsProvider())


def asked(
    mesh: Mesh, mode: str = "off", permissive: bool = False, secret: str = "", **more: Any
) -> dict[str, Any]:
    return {
        "mode": mode,
        "permissive": permissive,
        "secret": secret,
        "namespaces": [mesh.namespace],
        "kubeconfig": mesh.kubeconfig,
        **more,
    }


def refused(stack: Stack, inputs: dict[str, Any]) -> str:
    with pytest.raises(CallError) as raised:
        stack.preview(inputs)
    said = str(raised.value)
    assert "\n" not in said
    return said


class TestChanges:
    def test_a_new_stack_begins_as_it_likes(self, stack: Stack, mesh: Mesh) -> None:
        assert stack.up(asked(mesh, "mutual")) == "create"
        assert stack.state
        assert "kubeconfig" not in stack.state.outputs
        before = len(mesh.api.requests())
        assert stack.up(asked(mesh, "mutual")) == "same"
        assert stack.refresh() == "read"
        assert stack.up(asked(mesh, "mutual")) == "same"
        stack.destroy()
        assert mesh.api.requests()[before:] == [], "what has not changed is not asked for"

    def test_from_off_to_mutual_in_three_updates_and_back(self, stack: Stack, mesh: Mesh) -> None:
        stack.up(asked(mesh))
        assert refused(stack, asked(mesh, "mutual")) == (
            "config from meshTls off with meshTlsPermissive false to meshTls mutual with "
            "meshTlsPermissive false at once, requests would fail while linkerds of both run: go "
            "step by step, with a `pulumi up` after each: "
            "(1) meshTls off with meshTlsPermissive true; "
            "(2) meshTls mutual with meshTlsPermissive true; "
            "(3) meshTls mutual with meshTlsPermissive false"
        )
        there = [("off", True), ("mutual", True), ("mutual", False)]
        back = [("mutual", True), ("off", True), ("off", False)]
        for mode, permissive in there + back:
            assert stack.up(asked(mesh, mode, permissive)) == "update"

    def test_a_stack_of_an_earlier_release_is_plain(self, stack: Stack, mesh: Mesh) -> None:
        mesh.run("l5d-1")
        said = refused(stack, asked(mesh, "server"))
        assert said.startswith(
            "config from meshTls off with meshTlsPermissive false to meshTls ser"
        )
        assert said.endswith(f"(pod {mesh.namespace}/l5d-1 runs as before)")
        assert stack.up(asked(mesh, permissive=True)) == "create"

    def test_a_rollout_that_did_not_end_is_ended_first(self, stack: Stack, mesh: Mesh) -> None:
        stack.up(asked(mesh))
        mesh.run("l5d-1")
        stack.up(asked(mesh, permissive=True))
        mesh.run("l5d-2", Way.of("off", True, ""))
        said = refused(stack, asked(mesh, "mutual", True))
        assert said.endswith(
            f"; pod {mesh.namespace}/l5d-1 still runs as before the last `pulumi up`: finish that "
            "one first, with the config that it had"
        )
        assert stack.up(asked(mesh)) == "update", "the way back is open"
        stack.up(asked(mesh, permissive=True))
        mesh.end("l5d-1")
        assert stack.up(asked(mesh, "mutual", True)) == "update"

    def test_linkerd_beside_an_app_counts_and_other_pods_do_not(
        self, stack: Stack, mesh: Mesh
    ) -> None:
        stack.up(asked(mesh, permissive=True))
        mesh.run("plain", container="another")
        stack.preview(asked(mesh, "server", True))
        mesh.run("hello-1")
        assert f"pod {mesh.namespace}/hello-1 still" in refused(stack, asked(mesh, "server", True))

    def test_a_pod_of_a_release_to_come_is_named(self, stack: Stack, mesh: Mesh) -> None:
        mesh.run_annotated("l5d-1", {"linkerd-canary/tls": "quantum"})
        said = refused(stack, asked(mesh))
        assert said.startswith(f"pod {mesh.namespace}/l5d-1: annotation linkerd-canary/tls is 'qu")

    def test_whatever_the_cluster_does_not_tell_stops_nobody(
        self, stack: Stack, mesh: Mesh
    ) -> None:
        mesh.run("l5d-1")
        nobody = mesh.api.kubeconfig_for("nobody").read_text()
        nowhere = mesh.kubeconfig.replace(mesh.api.url, f"https://127.0.0.1:{free_port()}")
        for kubeconfig in (nobody, nowhere, UNKNOWN):
            stack.preview(asked(mesh, "mutual", kubeconfig=kubeconfig))


class TestGivenSecret:
    authority = pairs.authority(begins=NOW - DAY, ends=NOW + 900 * DAY)
    leaf = Made(by=authority, begins=NOW - DAY, ends=NOW + 90 * DAY)

    def test_its_expiry_is_an_output_and_its_key_is_nowhere(self, stack: Stack, mesh: Mesh) -> None:
        mesh.keep("certs", pairs.files(self.leaf))
        assert stack.up(asked(mesh, "mutual", secret="certs")) == "create"
        assert stack.state
        expires = stack.state.outputs["expires"]
        assert datetime.fromisoformat(expires["certificate"]) == NOW + 90 * DAY
        assert datetime.fromisoformat(expires["authority"]) == NOW + 900 * DAY
        assert "PRIVATE" not in str(stack.state)
        assert "CERTIFICATE" not in str(stack.state)
        renewed = replace(self.leaf, ends=NOW + 120 * DAY)
        mesh.keep("certs", pairs.files(renewed))
        assert stack.up(asked(mesh, "mutual", secret="certs")) == "update"
        assert stack.up(asked(mesh, "mutual", secret="certs")) == "same"

    @pytest.mark.parametrize(
        ("files", "said"),
        [
            ({"tls.key": b""}, " lacks tls.key: "),
            ({"ca.crt": b"none"}, ": ca.crt holds no certificate in PEM form"),
            ({"tls.key": leaf.key_pem().replace(b" PRIVATE", b" EC PRIVATE")}, "not PKCS#8"),
            ({"tls.key": Made().key_pem()}, ": tls.key is not the key of the certificate"),
            (pairs.files(leaf, pairs.authority(ends=NOW + DAY)), "is issued by none of the author"),
            (
                pairs.files(Made(by=authority, begins=NOW - 2 * DAY, ends=NOW - DAY)),
                ": the certificate in tls.crt has expired at ",
            ),
            (
                pairs.files(Made("w", ("w",), by=authority, begins=NOW - DAY, ends=NOW + DAY)),
                ": tls.crt is for another name (DNS names: w): issue one with the DNS name linkerd",
            ),
        ],
    )
    def test_one_that_linkerd_cannot_use_is_refused(
        self, stack: Stack, mesh: Mesh, files: dict[str, bytes], said: str
    ) -> None:
        mesh.keep("certs", {**pairs.files(self.leaf), **files})
        line = refused(stack, asked(mesh, "mutual", secret="certs"))
        assert line.startswith(f"Secret {mesh.namespace}/certs (meshTlsSecret)")
        assert said in line

    def test_one_that_goes_bad_later_is_refused_with_the_next_preview(
        self, stack: Stack, mesh: Mesh
    ) -> None:
        mesh.keep("certs", pairs.files(self.leaf))
        stack.up(asked(mesh, "mutual", secret="certs"))
        mesh.keep("certs", {**pairs.files(self.leaf), "tls.key": Made().key_pem()})
        assert "tls.key is not the key" in refused(stack, asked(mesh, "mutual", secret="certs"))

    def test_one_that_is_not_there(self, stack: Stack, mesh: Mesh) -> None:
        said = refused(stack, asked(mesh, "off", True, secret="certs"))
        assert said.startswith(f"Secret {mesh.namespace}/certs (meshTlsSecret) is not there")

    def test_a_user_who_may_not_read_it_can_preview_but_not_deploy(
        self, stack: Stack, mesh: Mesh
    ) -> None:
        nobody = mesh.api.kubeconfig_for("nobody").read_text()
        unread = asked(mesh, "mutual", secret="certs", kubeconfig=nobody)
        stack.preview(unread)
        with pytest.raises(CallError) as raised:
            stack.up(unread)
        assert str(raised.value).endswith(
            f"; grant get on the Secret certs in namespace {mesh.namespace}"
        )
        mesh.keep("certs", pairs.files(self.leaf))
        stack.up(asked(mesh, "mutual", secret="certs"))
        _, diff = stack.preview(unread)
        assert diff
        assert not diff.changes, "what is known of it stays"

    def test_both_namespaces_must_trust_each_other(
        self, stack: Stack, mesh: Mesh, api_server: ApiServer
    ) -> None:
        apps = Mesh(api_server)
        both = [mesh.namespace, apps.namespace]
        mesh.keep("certs", pairs.files(self.leaf))
        apps.keep("certs", pairs.files(Made(by=pairs.authority(ends=NOW + DAY), ends=NOW + DAY)))
        said = refused(stack, asked(mesh, "mutual", secret="certs", namespaces=both))
        assert f"Secret certs of namespace {apps.namespace} does not trust" in said
        apps.keep("certs", pairs.files(replace(self.leaf, ends=NOW + 30 * DAY)))
        stack.up(asked(mesh, "mutual", secret="certs", namespaces=both))
        assert stack.state
        ends = stack.state.outputs["expires"]["certificate"]
        assert datetime.fromisoformat(ends) == NOW + 30 * DAY, "that of the first to end"

    def test_of_both_namespaces_the_first_end_of_each_kind_counts(
        self, stack: Stack, mesh: Mesh, api_server: ApiServer
    ) -> None:
        apps = Mesh(api_server)
        shorter = replace(self.authority, ends=NOW + 100 * DAY)
        mesh.keep("certs", pairs.files(self.leaf))
        apps.keep("certs", pairs.files(replace(self.leaf, by=shorter, ends=NOW + 95 * DAY)))
        both = [mesh.namespace, apps.namespace]
        stack.up(asked(mesh, "mutual", secret="certs", namespaces=both))
        assert stack.state
        ends = {
            which: datetime.fromisoformat(end)
            for which, end in stack.state.outputs["expires"].items()
        }
        assert ends == {"certificate": NOW + 90 * DAY, "authority": NOW + 100 * DAY}

    def test_an_authority_that_issued_nothing_may_have_expired(
        self, stack: Stack, mesh: Mesh
    ) -> None:
        former = pairs.authority("former", begins=NOW - 2 * DAY, ends=NOW - DAY)
        mesh.keep("certs", pairs.files(self.leaf, former, self.authority))
        assert stack.up(asked(mesh, "mutual", secret="certs")) == "create"

    def test_turning_tls_off_does_not_look_at_it(self, stack: Stack, mesh: Mesh) -> None:
        mesh.keep("certs", pairs.files(self.leaf))
        stack.up(asked(mesh, "off", True, secret="certs"))
        mesh.keep("certs", {"tls.key": b"broken"})
        assert stack.up(asked(mesh)) == "update"
