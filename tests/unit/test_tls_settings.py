"""The config keys of TLS between linkerds."""

import pytest

import settings
from settings import tls
from tests.unit.test_settings import defaults, project_config

ON = [{"meshTls": "server"}, {"meshTls": "mutual"}, {"meshTlsPermissive": "true"}]


def refused(**config: str) -> str:
    with pytest.raises(settings.SettingsError) as raised:
        settings.parse({**defaults(), **config})
    return str(raised.value)


def test_the_defaults_are_those_of_the_project_and_plain() -> None:
    assert {key: default for key, (default, _) in tls.KEYS.items()} == {
        key: defaults()[key] for key in project_config() if key.startswith("meshTls")
    }
    found = settings.parse(defaults()).tls
    assert found == settings.Tls("off", False, "none", 1, "")
    assert not found.is_on
    assert not found.makes_certificates


@pytest.mark.parametrize("on", ON)
def test_certificates_are_made_wherever_one_side_needs_them(on: dict[str, str]) -> None:
    assert settings.parse({**defaults(), **on}).tls.makes_certificates
    given = settings.parse({**defaults(), **on, "meshTlsSecret": "certs.mesh"}).tls
    assert given.is_on
    assert not given.makes_certificates
    turned = {**on, "meshTlsRotation": "both", "meshTlsSerial": "7"}
    assert settings.parse({**defaults(), **turned}).tls.mesh_tls_serial == 7


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("meshTls", "on", "it must be off or server or mutual"),
        ("meshTls", "", "it must be off or server or mutual"),
        ("meshTlsPermissive", "yes", "it must be true or false"),
        ("meshTlsRotation", "old", "it must be none or both or new"),
        ("meshTlsSerial", "0", "it must be a whole number from 1 to 999999"),
        ("meshTlsSerial", "1.5", "it must be a whole number from 1 to 999999"),
        ("meshTlsSecret", "linkerd/certs", "it must be the name of a Secret"),
        ("meshTlsSecret", "Certs", "it must be the name of a Secret"),
        ("meshTlsSecret", "a..b", "it must be the name of a Secret"),
        ("meshTlsSecret", "a" * 254, "it must be the name of a Secret"),
    ],
)
def test_a_wrong_value_says_what_is_allowed(key: str, value: str, allowed: str) -> None:
    said = refused(**{key: value})
    assert said.startswith(f"config {key} is {value!r}: {allowed}")


@pytest.mark.parametrize(
    ("key", "value"),
    [("meshTlsRotation", "both"), ("meshTlsSerial", "2"), ("meshTlsSecret", "certs")],
)
def test_what_has_no_effect_without_certificates_is_refused(key: str, value: str) -> None:
    assert refused(**{key: value}) == (
        f"config {key} is {value!r} and has no effect while linkerds use no certificates: remove "
        f"it with `pulumi config rm {key}`, or set meshTls or meshTlsPermissive"
    )


@pytest.mark.parametrize(("key", "value"), [("meshTlsRotation", "new"), ("meshTlsSerial", "3")])
def test_what_is_for_certificates_of_the_project_is_refused_beside_a_secret(
    key: str, value: str
) -> None:
    assert refused(meshTls="mutual", meshTlsSecret="certs", **{key: value}) == (
        f"config {key} is for certificates that this project makes, and meshTlsSecret is 'certs', "
        f"which something else keeps: remove one of the two with `pulumi config rm`"
    )
