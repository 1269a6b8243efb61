"""infra.aks_credentials: Azure's kubeconfig made fit for a program."""

import base64
from dataclasses import dataclass

import pytest
import yaml

from infra import aks_credentials
from infra.cluster import ClusterError


@dataclass
class Credential:
    value: str


def kubeconfig(*args: str, command: str = "kubelogin") -> str:
    run = {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": command, "args": args}
    return yaml.safe_dump({"users": [{"name": "u", "user": {"exec": {**run, "args": list(args)}}}]})


def args_of(text: str) -> list[str]:
    args: list[str] = yaml.safe_load(text)["users"][0]["user"]["exec"]["args"]
    return args


def test_the_first_kubeconfig_is_taken() -> None:
    given = Credential(base64.b64encode(b"kind: Config\n").decode())
    assert aks_credentials.decoded([given]) == "kind: Config\n"


@pytest.mark.parametrize("given", [[], [Credential("no base64!")], [Credential("/w==")]])
def test_what_is_no_kubeconfig_is_said(given: list[Credential]) -> None:
    with pytest.raises(ClusterError, match="Azure gave no kubeconfig"):
        aks_credentials.decoded(given)


@pytest.mark.parametrize(
    "login", [["--login", "devicecode"], ["-l", "devicecode"], ["--login=devicecode"], []]
)
def test_kubelogin_asks_nobody(login: list[str]) -> None:
    found = aks_credentials.without_questions(
        kubeconfig("get-token", *login, "--server-id", "6dae42f8", "--tenant-id", "t")
    )
    assert args_of(found) == [
        *("get-token", "--server-id", "6dae42f8", "--tenant-id", "t"),
        *("--login", "azurecli"),
    ]


def test_other_users_are_left_alone() -> None:
    given = kubeconfig("token", "--login", "devicecode", command="another")
    assert args_of(aks_credentials.without_questions(given)) == ["token", "--login", "devicecode"]
    token = yaml.safe_dump({"users": [{"name": "u", "user": {"token": "t"}}]})
    assert yaml.safe_load(aks_credentials.without_questions(token)) == yaml.safe_load(token)


def test_a_missing_kubelogin_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ClusterError, match=r"^kubelogin is not on PATH.*az aks install-cli"):
        aks_credentials.require_kubelogin()
