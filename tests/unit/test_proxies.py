"""Which proxy of the environment a request takes: the one that Go's programs take."""

from typing import Any

import pytest
import yaml
from websocket import _http, _url

from canary.errors import CanaryError
from canary.forwarding import forwarder_of
from kube.connection import environment_proxies, to_cluster
from kube.errors import InputError

URL = "https://kube.example:6443"
PROXY = "http://proxy.example:3128"
TAKEN = ("proxy.example", 3128, None)
KUBECONFIG = yaml.safe_dump(
    {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "one",
        "contexts": [{"name": "one", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": URL}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
)


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize(
    ("environment", "proxies"),
    [
        ({"HTTPS_PROXY": PROXY}, {"https": PROXY}),
        ({"https_proxy": PROXY}, {"https": PROXY}),
        ({"HTTPS_PROXY": PROXY, "https_proxy": "http://other"}, {"https": PROXY}),
        ({"HTTPS_PROXY": "", "https_proxy": PROXY}, {"https": PROXY}),
        ({"HTTPS_PROXY": "proxy.example:3128"}, {"https": PROXY}),
        ({"HTTP_PROXY": PROXY}, {}),
        ({"ALL_PROXY": "socks5://proxy.example:1080", "all_proxy": PROXY}, {}),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "kube.example"}, {}),
        ({"HTTPS_PROXY": "socks5://proxy.example:1080", "NO_PROXY": ".example"}, {}),
    ],
)
def test_the_schemes_own_variable_names_the_proxy(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], proxies: dict[str, str]
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert environment_proxies(URL) == proxies
    assert environment_proxies("https://127.0.0.1:6443") == {}


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy"])
def test_a_socks_proxy_is_one_line_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "socks5://user:s3cret@proxy.example:1080")
    line = (
        f"{variable} names a proxy of the kind 'socks5'; only http and https proxies are "
        "supported: name one of these, or the host in NO_PROXY if it can be reached without"
    )
    with pytest.raises(InputError) as refused, to_cluster(KUBECONFIG):
        pass
    assert str(refused.value) == line
    with pytest.raises(CanaryError) as told, forwarder_of(KUBECONFIG, None):
        pass
    assert str(told.value) == f"the kubeconfig cannot be used: {line}"


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Each proxy that websocket-client has chosen: host, port, credentials. It goes no further."""
    found: list[Any] = []

    def get_proxy_info(*arguments: Any) -> Any:
        found.append(_url.get_proxy_info(*arguments))
        raise OSError("far enough")

    monkeypatch.setattr(_http, "get_proxy_info", get_proxy_info)
    return found


def forward(kubeconfig: str) -> None:
    with (
        forwarder_of(kubeconfig, None) as forwarder,
        pytest.raises(CanaryError, match="far enough"),
        forwarder.connection("linkerd", "l5d-1", 4143),
    ):
        pass


@pytest.mark.parametrize(
    ("environment", "server", "proxy"),
    [
        ({}, URL, None),
        ({"HTTPS_PROXY": PROXY}, URL, TAKEN),
        ({"HTTPS_PROXY": "proxy.example:3128"}, URL, TAKEN),
        ({"HTTPS_PROXY": PROXY, "https_proxy": "http://other:1"}, URL, TAKEN),
        (
            {"HTTPS_PROXY": "http://anna:s%3Ecret@proxy.example:3128"},
            URL,
            ("proxy.example", 3128, ("anna", "s>cret")),
        ),
        ({"ALL_PROXY": "socks5://proxy.example:1080"}, URL, None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "kube.example"}, URL, None),
        # Which websocket-client takes for the end of any name.
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": ".be.example"}, URL, TAKEN),
        # What the local nodes' API server is reached by.
        ({"HTTPS_PROXY": PROXY}, "https://127.5.6.2:6443", None),
        ({"https_proxy": PROXY}, "https://127.5.6.2:6443", None),
    ],
)
def test_port_forwards_take_the_same_proxy(
    monkeypatch: pytest.MonkeyPatch,
    taken: list[Any],
    environment: dict[str, str],
    server: str,
    proxy: tuple[Any, ...] | None,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    forward(KUBECONFIG.replace(URL, server))
    assert taken == [proxy or (None, 0, None)]


def test_port_forwards_take_the_kubeconfigs_own_proxy(
    monkeypatch: pytest.MonkeyPatch, taken: list[Any]
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", "kube.example")
    forward(KUBECONFIG.replace(f"server: {URL}", f"server: {URL}\n    proxy-url: http://own:1"))
    assert taken == [("own", 1, None)]
