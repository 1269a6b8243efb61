"""The mesh's own certificates, by their provider in its real host."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from mesh import pair
from mesh.certificates import CertificatesProvider
from mesh.pair import Pair
from mesh.tls import Way
from tests.engine.live_pods import Mesh
from tests.harness.apiserver import ApiServer
from tests.provider_host import CallError, ProviderHost, Stack, provider_host

YEAR = timedelta(days=365)


@pytest.fixture
def mesh(api_server: ApiServer) -> Mesh:
    return Mesh(api_server)


@pytest.fixture
def stack(host: ProviderHost) -> Stack:
    return Stack(host, CertificatesProvider())


@pytest.fixture
def later(tmp_path: Path) -> Iterator[Callable[[Stack, float], None]]:
    """Has a stack go on so many days from now."""
    with ExitStack() as stack:

        def move(found: Stack, days: float) -> None:
            environment = {"PULUMI_HOME": str(tmp_path), "DAYS_LATER": str(days)}
            host = provider_host(module="tests.harness.later", **environment)
            found.host = stack.enter_context(host)

        yield move


def asked(mesh: Mesh, rotation: str = "none", serial: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "rotation": rotation,
        "serial": serial,
        "namespaces": [mesh.namespace],
        "kubeconfig": mesh.kubeconfig,
        "authority_days": 3650,
        "leaf_days": 365,
        **more,
    }


def refused(stack: Stack, inputs: dict[str, Any]) -> str:
    with pytest.raises(CallError) as raised:
        stack.preview(inputs)
    said = str(raised.value)
    assert "\n" not in said
    return said


def outputs(stack: Stack) -> dict[str, Any]:
    assert stack.state
    return stack.state.outputs


def served(stack: Stack, days: float = 0) -> Pair:
    """What linkerds are given, found to be of use to them."""
    found = outputs(stack)
    files = {"ca.crt": found["bundle"], "tls.crt": found["certificate"], "tls.key": found["key"]}
    now = datetime.now(UTC) + timedelta(days=days)
    encoded = {name: text.encode() for name, text in files.items()}
    return pair.read(encoded, "the state", True, now)


def test_what_is_issued_is_what_linkerd_takes(stack: Stack, mesh: Mesh) -> None:
    assert stack.up(asked(mesh)) == "create"
    found = served(stack)
    (authority,) = found.authorities
    public = found.certificate.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    assert public.curve.name == "secp256r1"
    names = found.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.value.get_values_for_type(x509.DNSName) == ["linkerd"]
    now = datetime.now(UTC)
    hour = timedelta(hours=1)
    assert abs(found.certificate.not_valid_after_utc - now - YEAR) < hour
    assert abs(authority.not_valid_after_utc - now - 10 * YEAR) < hour
    assert found.certificate.not_valid_before_utc <= now - hour, "clocks differ"
    assert outputs(stack)["expires"] == found.expires
    assert "kubeconfig" not in outputs(stack)


def test_the_authority_signs_nothing_but_leaves(stack: Stack, mesh: Mesh) -> None:
    stack.up(asked(mesh))
    (authority,) = served(stack).authorities
    constraints = authority.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (constraints.critical, constraints.value.ca) == (True, True)
    assert constraints.value.path_length == 0
    usage = authority.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.key_cert_sign, usage.digital_signature) == (True, False)


def test_nothing_is_issued_again_until_it_is_asked_for(stack: Stack, mesh: Mesh) -> None:
    stack.up(asked(mesh))
    first = dict(outputs(stack))
    renewed = mesh.api.kubeconfig_for("renewed", ["system:masters"]).read_text()
    assert stack.up(asked(mesh, kubeconfig=renewed, leaf_days=100)) == "same"
    assert stack.refresh() == "read"
    assert stack.up(asked(mesh)) == "same"
    assert outputs(stack) == first


def test_a_higher_serial_is_a_new_certificate_of_the_same_authority(
    stack: Stack, mesh: Mesh
) -> None:
    stack.up(asked(mesh))
    first, digest = served(stack), outputs(stack)["digest"]
    assert stack.up(asked(mesh, serial=2)) == "update"
    second = served(stack)
    assert second.authorities == first.authorities
    assert second.certificate != first.certificate
    assert second.certificate.public_key() != first.certificate.public_key()
    assert outputs(stack)["digest"] != digest
    assert refused(stack, asked(mesh)) == (
        "config meshTlsSerial is 1, and the certificate that is in use has 2: set it to that, or "
        "to a higher one for a new certificate"
    )


class TestRotation:
    def test_each_step_trusts_the_one_before(self, stack: Stack, mesh: Mesh) -> None:
        seen = []
        for rotation in ("none", "both", "new", "none"):
            stack.up(asked(mesh, rotation))
            seen.append(served(stack))
        before, both, new, after = seen
        (former,) = before.authorities
        (following,) = after.authorities
        assert former != following
        assert both.authorities == new.authorities == (former, following)
        assert both.certificate == before.certificate
        assert new.certificate == after.certificate
        assert new.issuer == following
        for one, other in ((before, both), (both, new), (new, after)):
            assert one.trusts(other.certificate)
            assert other.trusts(one.certificate)
        assert not before.trusts(new.certificate)
        assert outputs(stack)["next_authority_key"] == ""

    def test_each_step_but_none_is_a_new_secret(self, stack: Stack, mesh: Mesh) -> None:
        digests = []
        for rotation in ("none", "both", "new", "none"):
            stack.up(asked(mesh, rotation))
            digests.append(outputs(stack)["digest"])
        assert len(set(digests)) == 4

    def test_it_can_be_given_up_after_its_first_step(self, stack: Stack, mesh: Mesh) -> None:
        stack.up(asked(mesh))
        first = dict(outputs(stack))
        stack.up(asked(mesh, "both"))
        stack.up(asked(mesh))
        assert {**outputs(stack), "digest": first["digest"]} == first

    def test_no_secrets_name_comes_back(self, stack: Stack, mesh: Mesh) -> None:
        """An update that failed may have left the Secret of that name to be deleted."""
        names = []
        for rotation in ("none", "both", "none", "both", "new", "both", "new", "none"):
            stack.up(asked(mesh, rotation))
            names.append(outputs(stack)["digest"])
        assert len(set(names)) == len(names)

    def test_a_step_that_changes_no_certificate_changes_no_name(
        self, stack: Stack, mesh: Mesh, later: Callable[[Stack, float], None]
    ) -> None:
        stack.up(asked(mesh))
        later(stack, 3651)
        stack.up(asked(mesh, "new"))
        name = outputs(stack)["digest"]
        stack.up(asked(mesh))
        assert outputs(stack)["digest"] == name

    def test_the_second_step_can_be_taken_back(self, stack: Stack, mesh: Mesh) -> None:
        stack.up(asked(mesh))
        for rotation in ("both", "new"):
            stack.up(asked(mesh, rotation))
        there = served(stack)
        stack.up(asked(mesh, "both"))
        back = served(stack)
        assert back.authorities == there.authorities
        assert back.issuer == back.authorities[0]

    def test_a_skipped_step_is_refused(self, stack: Stack, mesh: Mesh) -> None:
        stack.up(asked(mesh))
        assert refused(stack, asked(mesh, "new")) == (
            "config meshTlsRotation from none to new in one update: requests would fail, as the "
            "linkerds that run do not trust the new authority yet; set it to both, run `pulumi "
            "up`, and then set it to new"
        )

    def test_a_step_waits_for_linkerds_that_the_last_one_did_not_reach(
        self, stack: Stack, mesh: Mesh
    ) -> None:
        way = Way.of("mutual", False, "")
        stack.up(asked(mesh))
        mesh.run("l5d-1", way, outputs(stack)["authorities"])
        stack.up(asked(mesh, "both"))
        mesh.run("l5d-2", way, outputs(stack)["authorities"])
        assert refused(stack, asked(mesh, "new")) == (
            "config meshTlsRotation from both to new: requests would fail, as linkerds that run "
            f"have certificates of an earlier step ({mesh.namespace}/l5d-1): set it to both again, "
            "run `pulumi up` until it succeeds, and then go on"
        )
        stack.preview(asked(mesh))  # the way back
        mesh.end("l5d-1")
        assert stack.up(asked(mesh, "new")) == "update"
        said = refused(stack, asked(mesh))
        assert f"({mesh.namespace}/l5d-2): set it to new again" in said
        mesh.end("l5d-2")
        mesh.run("l5d-3", way, outputs(stack)["authorities"])
        assert stack.up(asked(mesh)) == "update"


class TestExpiry:
    def test_an_expired_certificate_is_refused_until_it_is_renewed(
        self, stack: Stack, mesh: Mesh, later: Callable[[Stack, float], None]
    ) -> None:
        stack.up(asked(mesh))
        later(stack, 364)
        assert stack.up(asked(mesh)) == "same"
        later(stack, 366)
        said = refused(stack, asked(mesh))
        assert said.startswith("linkerd's certificate has expired at ")
        assert "`pulumi config set meshTlsSerial 2` and `pulumi up`" in said
        assert stack.up(asked(mesh, serial=2)) == "update"
        served(stack, 366)

    def test_a_certificate_ends_with_its_authority(self, stack: Stack, mesh: Mesh) -> None:
        stack.up(asked(mesh, authority_days=10))
        expires = outputs(stack)["expires"]
        assert expires["certificate"] == expires["authority"]

    def test_an_expired_authority_is_replaced_at_once(
        self, stack: Stack, mesh: Mesh, later: Callable[[Stack, float], None]
    ) -> None:
        stack.up(asked(mesh))
        mesh.run("l5d-1", Way.of("mutual", False, ""), outputs(stack)["authorities"])
        later(stack, 3651)
        for rotation, serial in (("none", 1), ("none", 2), ("both", 1)):
            said = refused(stack, asked(mesh, rotation, serial))
            assert said.startswith("the mesh's authority has expired at ")
            assert "set meshTlsRotation to new" in said
        assert stack.up(asked(mesh, "new")) == "update"
        (authority,) = served(stack, 3651).authorities
        assert stack.up(asked(mesh)) == "update"
        assert served(stack, 3651).authorities == (authority,)
