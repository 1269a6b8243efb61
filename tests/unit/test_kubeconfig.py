"""kube/minified.py: finding a kubeconfig and cutting it down to one context."""

import base64
import ssl
from pathlib import Path
from typing import Any

import pytest
import yaml
from urllib3.util import ssl_

from kube import credentials, exec_plugin
from kube.errors import KubeconfigError
from kube.minified import load

TWO_CONTEXTS: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "one",
    "contexts": [
        {"name": "one", "context": {"cluster": "c1", "user": "u1"}},
        {"name": "two", "context": {"cluster": "c2", "user": "u2", "namespace": "n"}},
    ],
    "clusters": [
        {
            "name": "c1",
            "cluster": {"server": "https://one.example", "insecure-skip-tls-verify": True},
        },
        {"name": "c2", "cluster": {"server": "https://two.example", "certificate-authority": "ca"}},
    ],
    "users": [
        {"name": "u1", "user": {"token": "token-one"}},
        {"name": "u2", "user": {"client-certificate": "crt", "client-key": "/abs/key"}},
    ],
}

PLUGIN = {
    "apiVersion": "client.authentication.k8s.io/v1",
    "command": "sh",
    "interactiveMode": "Never",
}

MALFORMED = "the kubeconfig is no kubeconfig: an entry of it is malformed"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "config"
    file.write_text(yaml.safe_dump(TWO_CONTEXTS))
    return file


def test_only_the_current_context_is_kept(path: Path) -> None:
    kept = yaml.safe_load(load(str(path), ""))
    assert kept["current-context"] == "one"
    assert [cluster["name"] for cluster in kept["clusters"]] == ["c1"]
    assert "two" not in load(str(path), "")


def test_a_kubeconfig_of_one_context_stays_as_kubectl_wrote_it() -> None:
    """Each state has this text: another order would show as an update of every provider."""
    written = """\
apiVersion: v1
kind: Config
clusters:
- cluster:
    server: https://one.example
  name: c1
contexts:
- context:
    cluster: c1
    user: u1
  name: one
current-context: one
users:
- name: u1
  user:
    token: token-one
"""
    assert load(written, "") == written


def test_another_context_can_be_chosen(path: Path) -> None:
    kept = yaml.safe_load(load(str(path), "two"))
    assert kept["current-context"] == "two"
    assert kept["contexts"][0]["context"]["namespace"] == "n"
    assert "token-one" not in str(kept)


def test_relative_files_are_made_absolute(path: Path) -> None:
    kept = yaml.safe_load(load(str(path), "two"))
    assert kept["clusters"][0]["cluster"]["certificate-authority"] == str(path.parent / "ca")
    assert kept["users"][0]["user"]["client-certificate"] == str(path.parent / "crt")
    assert kept["users"][0]["user"]["client-key"] == "/abs/key"


def test_content_is_as_good_as_a_path(path: Path) -> None:
    assert load(path.read_text(), "") == load(str(path), "")


def test_empty_means_the_ambient_one(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(path))
    assert load("", "") == load(str(path), "")


def test_the_home_folder_is_the_last_resort(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(path.parent))
    with pytest.raises(
        KubeconfigError, match=r"cannot read the kubeconfig .*/\.kube/config: No such"
    ):
        load("", "")


def test_several_ambient_files_are_named_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/nowhere/a:/nowhere/b")
    with pytest.raises(KubeconfigError, match=r"kubeconfig /nowhere/a:/nowhere/b: No such file"):
        load("", "")


def test_a_context_that_is_not_there_is_named_beside_those_that_are(path: Path) -> None:
    with pytest.raises(KubeconfigError, match="has no context 'three': it has one, two; choose"):
        load(str(path), "three")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: [1\n", "not YAML, line 2"),
        ("a: 1\nb: " + "[" * 100_000 + "]" * 100_000, "nested more than 64 deep"),
        ("a:\n" + "- " * 100_000, "nested more than 64 deep"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "nested more than 64 deep"),
        ("just a text\n", "it has no list `contexts`"),
        ("contexts: []\n", "has no context ''"),
        ("", "has no context ''"),
        ("kind: Secret\napiVersion: v1\n", "it is not of the kind `Config`, v1"),
        ("a: !!int x\n", "a number or another value in it is malformed"),
        (f"a: {'1' * 5000}\n", "a number or another value in it is malformed"),
        ("a: 0b_\n", "a number or another value in it is malformed"),
        ("a: !!bool q\n", "a number or another value in it is malformed"),
        ("a: !!timestamp x\n", "a number or another value in it is malformed"),
        (
            "current-context: a\ncontexts: [{name: a, context: {cluster: c}}]\n",
            "has no entry 'c' in 'clusters'",
        ),
    ],
)
def test_what_is_no_kubeconfig_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "config"
    file.write_text(text)
    with pytest.raises(KubeconfigError) as raised:
        load(str(file), "")
    assert reason in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError, match="Is a directory"):
        load(str(tmp_path), "")


def test_no_error_shows_content() -> None:
    with pytest.raises(KubeconfigError) as raised:
        load("contexts: []\nusers: [{name: u, user: {token: s3cret}}]\n", "")
    assert "s3cret" not in str(raised.value)


def test_what_may_hold_a_key_is_not_shown() -> None:
    """Content of one line that is no JSON: base64, say, as secrets are often kept."""
    content = base64.b64encode(yaml.safe_dump(TWO_CONTEXTS).encode()).decode()
    with pytest.raises(KubeconfigError) as refused:
        load(content, "")
    assert str(refused.value) == (
        f"config kubeconfig, {len(content)} characters in one line, is neither a path nor YAML: "
        "give a path, or the content as it is"
    )


@pytest.mark.parametrize("path", ["~nosuchuser/kc", "a\0b"])
def test_a_path_that_cannot_be_one_is_one_line(path: str) -> None:
    with pytest.raises(KubeconfigError, match=r"^cannot read the kubeconfig .*no such path; set"):
        load(path, "")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"contexts": [{"name": "one", "context": "x"}]}, MALFORMED),
        ({"clusters": 4}, MALFORMED),
        ({"clusters": [{"name": "c1", "cluster": []}], "users": 7}, MALFORMED),
        ({"users": [{"name": "u1", "user": "token"}]}, MALFORMED),
        (
            {"clusters": [{"name": "c1", "cluster": {"certificate-authority": 3}}]},
            "the kubeconfig: its cluster has a malformed certificate-authority",
        ),
        (
            {"users": [{"name": "u1", "user": {"token": 1}}]},
            "the kubeconfig: its user has a malformed token",
        ),
        (
            {"clusters": [{"name": "c1", "cluster": {"extensions": ["a"]}}]},
            "the kubeconfig: its cluster has a malformed extensions",
        ),
        (
            {"users": [{"name": "u1", "user": {"as": "a\nb", "token": "t"}}]},
            "the kubeconfig: its user has a line break or the like in as",
        ),
        (
            {"users": [{"name": "u1", "user": {"as": "a", "as-groups": ["b", "c\r"]}}]},
            "the kubeconfig: its user has a line break or the like in as-groups",
        ),
        (
            {"users": [{"name": "u1", "user": {"as": "a", "as-user-extra": {"b": ["\0"]}}}]},
            "the kubeconfig: its user: as-user-extra has a line break or the like in b",
        ),
        (
            {"users": [{"name": "u1", "user": {"as": "a", "as-user-extra": {5: ["b"]}}}]},
            "the kubeconfig: its user: as-user-extra has the key 5: quote it",
        ),
        (
            {"users": [{"name": "u1", "user": {"exec": {**PLUGIN, "args": ["a\0"]}}}]},
            "the kubeconfig: its user: exec: command and args must hold no NUL character",
        ),
        (
            {"users": [{"name": "u1", "user": {"exec": {**PLUGIN, "env": [{"name": "A=B"}]}}}]},
            "the kubeconfig: its user: exec: env has a name with '=' in it",
        ),
        (
            {"clusters": [{"name": "c1"}, {"name": "c1"}]},
            "the kubeconfig has two entries 'c1' in 'clusters'",
        ),
    ],
)
def test_a_malformed_entry_is_one_line(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(KubeconfigError) as refused:
        load(yaml.safe_dump({**TWO_CONTEXTS, **changed}), "")
    assert str(refused.value) == said


def test_a_relative_path_in_content_is_refused() -> None:
    with pytest.raises(KubeconfigError) as refused:
        load(yaml.safe_dump(TWO_CONTEXTS), "two")
    assert str(refused.value).startswith(
        "the kubeconfig: certificate-authority is a relative path, and content lies in no folder"
    )


@pytest.mark.parametrize(
    "server", ["https://[::1", "https://h]:1", "https://[::g]:1", "https://h:99999", "http://h:0"]
)
def test_a_server_that_cannot_be_is_one_line(server: str) -> None:
    config = {**TWO_CONTEXTS, "clusters": [{"name": "c1", "cluster": {"server": server}}]}
    with pytest.raises(KubeconfigError) as refused:
        credentials.load(yaml.safe_dump(config), None)
    assert str(refused.value) == (
        "the kubeconfig has no URL such as 'https://HOST:6443' as the server of its cluster"
    )


@pytest.mark.parametrize(
    ("prints", "said"),
    [
        ("5", "its exec plugin prints no JSON object"),
        ("null", "its exec plugin prints no JSON object"),
        ('"apiVersion, kind, status"', "its exec plugin prints no JSON object"),
        ("[" * 100_000, "its exec plugin prints no JSON object"),
        (r"\377", "its exec plugin prints what is no text"),
    ],
)
def test_a_plugin_that_prints_something_else_is_one_line(prints: str, said: str) -> None:
    script = ["-c", f"printf '{prints}'"] if len(prints) < 100 else ["-c", "yes [ | head -100000"]
    env = [{"name": "UNSET", "value": None}]
    with pytest.raises(KubeconfigError) as refused:
        exec_plugin.credential({**PLUGIN, "args": script, "env": env}, {}, "the kubeconfig")
    assert str(refused.value) == f"the kubeconfig gives no credential: {said}"


def test_a_plugin_that_is_to_be_told_of_an_authority_that_is_not_there() -> None:
    run = {"apiVersion": "client.authentication.k8s.io/v1", "command": "true"}
    cluster = {"server": "https://192.0.2.1", "certificate-authority": "/nowhere/ca.crt"}
    with pytest.raises(KubeconfigError) as refused:
        exec_plugin.credential({**run, "provideClusterInfo": True}, cluster, "the kubeconfig")
    assert str(refused.value) == (
        "the kubeconfig gives no credential: its certificate-authority cannot be read: No such "
        "file or directory"
    )


def test_a_context_is_given_its_protocols_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenSSL frees the former ones, which a handshake on another thread may be reading."""
    given: list[object] = []
    monkeypatch.setattr(ssl.SSLContext, "set_alpn_protocols", lambda _, them: given.append(them))
    tls = credentials.load(str(path), None).tls
    assert tls is not None
    for _ in range(3):
        tls.set_alpn_protocols(ssl_.ALPN_PROTOCOLS)
    assert given == [tuple(ssl_.ALPN_PROTOCOLS)]
