"""noProxy: forms that clients know, and none that covers a service of the stack's own."""

import json

import pytest

import settings
from tests.unit.test_settings import defaults

SERVICES = {
    "hello": {"port": 80},
    "world": {"port": 80, "versions": {"v1": {}, "v2": {}}},
    "api": {"port": 80, "prefix": "/host/api.example.com"},
    "old": {"port": 80, "prefix": "/svc/10.1.2.3:8080"},
}


def parsed(*hosts: str, **config: str) -> tuple[str, ...]:
    given = {**defaults(), "noProxy": json.dumps(hosts), "services": json.dumps(SERVICES), **config}
    return settings.parse(given).no_proxy


def refused(*hosts: str, **config: str) -> str:
    with pytest.raises(settings.SettingsError) as raised:
        parsed(*hosts, **config)
    return str(raised.value)


@pytest.mark.parametrize(
    "host",
    [
        "example.org",
        ".example.org",
        "Example.ORG",
        "example.org:8080",
        ".example.org:8080",
        "prometheus.monitoring",
        "prometheus.monitoring.svc.cluster.local",
        "203.0.113.7",
        "203.0.113.7:8080",
        "203.0.113.0/24",
        "203.0.113.7/24",
        "2001:db8::7",
        "::1",
        "[2001:db8::7]:8080",
        "2001:db8::/32",
    ],
)
def test_hosts_of_every_form_are_passed_on_as_they_are(host: str) -> None:
    assert parsed(host) == (host,)


@pytest.mark.parametrize(
    "host",
    [
        "10.0.0.0/999",
        "10.0.0.0/33",
        "2001:db8::/129",
        "10.0.0.0/255.0.0.0",
        "example.com/24",
        "1.2.3.999",
        "010.0.0.1",
        ".10.0.0.1",
        "example.com:99999",
        "example.com:0",
        "example.com:",
        "example.com:http",
        ":8080",
        "a:b:80",
        "[2001:db8::7]",
        "[203.0.113.7]:80",
        "fe80::1%eth0",
        "a..b",
        "a-.b",
        "..a",
        "a.",
        "",
        ".",
        "a b",
        "a" * 64,
    ],
)
def test_what_is_no_host_is_one_line(host: str) -> None:
    said = refused("example.org", host)
    assert said.startswith("config noProxy is ")
    assert f"{host!r} is no host such as example.com" in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("host", "covered"),
    [
        ("world", "world"),
        ("WORLD:80", "world"),
        ("world-v2", "world-v2"),
        ("hello-world", "api.hello-world"),
        (".hello-world", "api.hello-world"),
        ("world-v2.hello-world.svc", "world-v2.hello-world.svc"),
        ("svc", "api.hello-world.svc"),
        (".svc.cluster.local", "api.hello-world.svc.cluster.local"),
        (".local", "api.hello-world.svc.cluster.local"),
        ("example.com", "api.example.com"),
        (".api.example.com", "api.example.com"),
        ("10.1.2.3", "10.1.2.3"),
        ("10.0.0.0/8", "10.1.2.3"),
    ],
)
def test_no_entry_covers_a_service_of_the_stack(host: str, covered: str) -> None:
    said = refused("outside.example", host)
    assert said.startswith(f"config noProxy has {host!r}, which covers {covered}, a service of the")
    assert said.endswith("remove this with `pulumi config rm --path 'noProxy[1]'`")
    assert "\n" not in said


def test_it_goes_by_what_the_stack_has() -> None:
    own = json.dumps({"hello": {"port": 80}})
    hosts = ("example.com", "10.0.0.0/8", "world", "hello-world", ".cluster.local")
    elsewhere = {"appsNamespace": "shop", "clusterDomain": "k8s.example"}
    assert parsed(*hosts, services=own, **elsewhere) == hosts
    said = refused("k8s.example", services=own, **elsewhere)
    assert "which covers hello.shop.svc.k8s.example, a service" in said
