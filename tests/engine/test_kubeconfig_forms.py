"""Every form of a kubeconfig beside kubectl: the same request reaches the server, or none does."""

import json
import os
import ssl
import subprocess
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from kube import credentials, minified
from kube.connection import to_cluster
from kube.errors import KubeconfigError
from local.binaries import kube
from tests.harness.certificates import Authority
from tests.harness.scripted import Asked, Reply, scripted_server

WHO = ("Authorization", "Impersonate-")
"""How the names of headers begin that say who asks."""

V1 = "client.authentication.k8s.io/v1"
BETA = "client.authentication.k8s.io/v1beta1"
Entry = dict[str, Any]


@dataclass
class Server:
    """A TLS server, and who has asked it so far."""

    url: str
    asked: list[Asked]
    authority: Authority
    plain: str
    """The URL of one without TLS."""
    asked_plainly: list[Asked]

    def who(self) -> list[tuple[Any, ...]]:
        """Who asked since the last time: by headers, by certificate, and which name was meant."""
        found = [
            (
                sorted(
                    (name.title(), value)
                    for name, value in each.repeated
                    if name.title().startswith(WHO)
                ),
                each.certified,
                each.server_name,
            )
            for each in [*self.asked, *self.asked_plainly]
        ]
        self.asked.clear()
        self.asked_plainly.clear()
        return found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("authority")
    authority = Authority(kube() / "kubeadm", folder, 6443)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(authority.pki / "apiserver.crt", authority.pki / "apiserver.key")
    tls.load_verify_locations(authority.pki / "ca.crt")
    tls.verify_mode = ssl.CERT_OPTIONAL
    with (
        scripted_server(lambda _: Reply(200, "{}"), tls) as (url, asked),
        scripted_server(lambda _: Reply(200, "{}")) as (plain, asked_plainly),
    ):
        yield Server(url, asked, authority, plain, asked_plainly)


class Files:
    """Writes kubeconfigs for a test."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.folder = folder
        self.server = server
        self.authority = (server.authority.pki / "ca.crt").read_bytes()

    @property
    def cluster(self) -> Entry:
        data = b64encode(self.authority).decode()
        return {"server": self.server.url, "certificate-authority-data": data}

    def certificate(self, user: str = "by-certificate") -> Entry:
        """A user's entry with a client certificate and its key."""
        path = self.server.authority.kubeconfig(user)
        found: Entry = yaml.safe_load(path.read_text())["users"][0]["user"]
        return found

    def write(self, name: str, **lists: Any) -> str:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", **lists}))
        return str(path)

    def config(self, user: Entry | None, name: str = "config", **cluster: Any) -> str:
        """A kubeconfig of one context; a cluster's setting that is None is left out."""
        settings = {**self.cluster, **{k.replace("_", "-"): v for k, v in cluster.items()}}
        context = {"cluster": "c", **({"user": "u"} if user is not None else {})}
        return self.write(
            name,
            **{"current-context": "x"},
            contexts=[{"name": "x", "context": context}],
            clusters=[
                {"name": "c", "cluster": {k: v for k, v in settings.items() if v is not None}}
            ],
            users=[{"name": "u", "user": user}] if user is not None else [],
        )

    def script(self, name: str, text: str) -> str:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o700)
        return str(path)

    def plugin(self, version: str = V1, name: str = "bin/plugin", **status: str) -> str:
        said = json.dumps({"apiVersion": version, "kind": "ExecCredential", "status": status})
        return self.script(name, f"cat <<'END'\n{said}\nEND")

    def run(self, command: str, **more: Any) -> Entry:
        """A user's entry with an exec plugin."""
        return {"exec": {"apiVersion": V1, "command": command, "interactiveMode": "Never", **more}}


@pytest.fixture
def files(tmp_path: Path, server: Server) -> Files:
    server.who()
    return Files(tmp_path, server)


@dataclass(frozen=True)
class Given:
    """What $KUBECONFIG is, and the context to choose."""

    kubeconfig: str
    context: str = ""


def kubectl(given: Given, *arguments: str) -> subprocess.CompletedProcess[str]:
    context = [f"--context={given.context}"] if given.context else []
    return subprocess.run(
        [kube() / "kubectl", *arguments, *context],
        env={**os.environ, "KUBECONFIG": given.kubeconfig},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def ask_by_kubectl(given: Given) -> bool:
    return kubectl(given, "get", "--raw", "/version").returncode == 0


def ask(given: str | None, context: str) -> None:
    with to_cluster(given, context or None) as connection:
        assert connection.send("GET", "/version").status == 200


# What reaches the server.


def token(files: Files) -> str:
    return files.config({"token": "abc"})


def token_file(files: Files) -> str:
    (files.folder / "token").write_text("from-file\n")
    return files.config({"tokenFile": "token"})


def token_and_its_file(files: Files) -> str:
    (files.folder / "token").write_text("from-file\n")
    return files.config({"tokenFile": "token", "token": "inline"})


def token_and_no_such_file(files: Files) -> str:
    return files.config({"tokenFile": "none", "token": "inline"})


def basic(files: Files) -> str:
    return files.config({"username": "u", "password": "p"})


def basic_without_password(files: Files) -> str:
    return files.config({"username": "u"})


def basic_and_a_plugin(files: Files) -> str:
    return files.config({"username": "u", "password": "p", **files.run("./none")})


def certificate(files: Files) -> str:
    return files.config(files.certificate())


def certificate_and_token(files: Files) -> str:
    return files.config({**files.certificate(), "token": "abc"})


def certificate_files(files: Files) -> str:
    for key, data in files.certificate().items():
        (files.folder / key.removesuffix("-data")).write_bytes(b64decode(data))
    (files.folder / "ca").write_bytes(files.authority)
    return files.config(
        {"client-certificate": "client-certificate", "client-key": "client-key"},
        certificate_authority_data=None,
        certificate_authority="ca",
    )


def impersonated_user(files: Files) -> str:
    return files.config({"token": "abc", "as": "jane"})


def impersonated_in_full(files: Files) -> str:
    return files.config(
        {
            **files.certificate(),
            "as": "system:serviceaccount:a:b",
            "as-uid": "1234",
            "as-groups": ["a", "b, c", "system:masters"],
            "as-user-extra": {"reason": ["one", "two"], "example.com/a b%": ["x"]},
        }
    )


def plugin_with_a_token(files: Files) -> str:
    return files.config(files.run(files.plugin(token="t")))


def plugin_with_a_certificate(files: Files) -> str:
    user = {key: b64decode(data).decode() for key, data in files.certificate().items()}
    status = {
        "clientCertificateData": user["client-certificate-data"],
        "clientKeyData": user["client-key-data"],
    }
    return files.config(files.run(files.plugin(**status, token="t")))


def plugin_beside_its_kubeconfig(files: Files) -> str:
    files.plugin(token="t")
    return files.config(files.run("./bin/plugin"), name="elsewhere/../config")


def plugin_of_the_beta(files: Files) -> str:
    run = files.run(files.plugin(BETA, token="t"), apiVersion=BETA)["exec"]
    return files.config({"exec": {k: v for k, v in run.items() if k != "interactiveMode"}})


def plugin_with_arguments(files: Files) -> str:
    said = json.dumps({"apiVersion": V1, "kind": "ExecCredential", "status": {"token": "T"}})
    command = files.script("plugin", f"echo '{said}' | sed \"s/T/$1-$2-$A-$B/\"")
    env = [{"name": "A", "value": "a"}, {"name": "B", "value": ""}]
    return files.config(files.run(command, args=["one", "two"], env=env))


def told_plugin(files: Files) -> str:
    """A plugin whose token is what it has been told, by its digest."""
    path = files.folder / "told"
    path.write_text(
        f"""#!{sys.executable}
import hashlib, json, os
told = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
token = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
print(json.dumps({{**told, "status": {{"token": token}}}}))
"""
    )
    path.chmod(0o700)
    return str(path)


def plugin_that_is_told_of_the_cluster(files: Files) -> str:
    (files.folder / "ca").write_bytes(files.authority)
    extension = {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "x"}}
    return files.config(
        files.run(told_plugin(files), provideClusterInfo=True),
        certificate_authority_data=None,
        certificate_authority="ca",
        tls_server_name="localhost",
        disable_compression=True,
        extensions=[extension, {"name": "other", "extension": {}}],
    )


def plugin_that_is_not_told_of_the_cluster(files: Files) -> str:
    return files.config(files.run(told_plugin(files)))


def plugin_for_who_has_a_token(files: Files) -> str:
    return files.config({"token": "abc", **files.run("./none")})


def plugin_for_who_has_a_certificate(files: Files) -> str:
    return files.config({**files.certificate(), **files.run("./none")})


def another_name(files: Files) -> str:
    return files.config({"token": "abc"}, tls_server_name="localhost")


def insecure(files: Files) -> str:
    return files.config(
        {"token": "abc"}, certificate_authority_data=None, insecure_skip_tls_verify=True
    )


def without_tls(files: Files) -> str:
    """kubectl sends no credential then, and impersonates all the same."""
    return files.config(
        {"token": "abc", "as": "jane"}, server=files.server.plain, certificate_authority_data=None
    )


def unknown_keys(files: Files) -> str:
    return files.config({"token": "abc", "tokem": "x"}, certificate_authorities="y")


def a_name_like_a_date(files: Files) -> str:
    path = Path(files.config({"token": "abc"}))
    path.write_text(
        path.read_text()
        .replace("name: u", "name: 2024-01-01")
        .replace("user: u", "user: 2024-01-01")
    )
    return str(path)


Form = Callable[[Files], str]
FORMS: list[Form] = [
    token, token_file, token_and_its_file, token_and_no_such_file, basic, basic_without_password,
    basic_and_a_plugin,
    certificate, certificate_and_token,
    certificate_files, impersonated_user, impersonated_in_full,
    plugin_with_a_token, plugin_with_a_certificate, plugin_beside_its_kubeconfig,
    plugin_of_the_beta, plugin_with_arguments, plugin_that_is_told_of_the_cluster,
    plugin_that_is_not_told_of_the_cluster, plugin_for_who_has_a_token,
    plugin_for_who_has_a_certificate, another_name, insecure, without_tls, unknown_keys,
    a_name_like_a_date,
]  # fmt: skip


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_the_same_request_reaches_the_server(
    files: Files, server: Server, monkeypatch: pytest.MonkeyPatch, form: Form
) -> None:
    given = Given(form(files))
    assert ask_by_kubectl(given)
    (by_kubectl,) = server.who()

    ask(given.kubeconfig, given.context)
    assert server.who() == [by_kubectl], "by its path"

    monkeypatch.setenv("KUBECONFIG", given.kubeconfig)
    ask(None, "")
    assert server.who() == [by_kubectl], "as the ambient one"

    content = minified.load(given.kubeconfig, "")
    monkeypatch.chdir("/")
    ask(content, "")
    assert server.who() == [by_kubectl], "as the content that a state keeps"
    Path(files.folder / "kept").write_text(content)
    assert ask_by_kubectl(Given(str(files.folder / "kept")))
    assert server.who() == [by_kubectl], "as Pulumi's plugin takes what a state keeps"


# What neither asks with.


REFUSED: dict[str, tuple[Callable[[Files], str], str]] = {
    "nobody": (lambda files: files.config(None), "its user has no credential"),
    "an empty user": (lambda files: files.config({}), "its user has no credential"),
    "impersonation by nobody": (lambda f: f.config({"as": "jane"}), "its user has no credential"),
    "groups of nobody": (
        lambda files: files.config({"token": "abc", "as-groups": ["a"]}),
        "its user has as-groups and not `as`, the user to be",
    ),
    "a uid of nobody": (
        lambda files: files.config({"token": "abc", "as-uid": "1"}),
        "its user has as-uid and not `as`, the user to be",
    ),
    "an extra of nobody": (
        lambda files: files.config({"token": "abc", "as-user-extra": {"a": ["b"]}}),
        "its user has as-user-extra and not `as`, the user to be",
    ),
    "two methods": (
        lambda files: files.config({"token": "abc", "username": "u", "password": "p"}),
        "its user has a token and a username or password: remove one of them",
    ),
    "a certificate without its key": (
        lambda files: files.config(
            {"client-certificate-data": files.certificate()["client-certificate-data"]}
        ),
        "its user has a client-certificate and no client-key",
    ),
    "a key twice": (
        lambda files: files.config({**files.certificate(), "client-key": "/dev/null"}),
        "its user has client-key and client-key-data: remove one of them",
    ),
    "an authority twice": (
        lambda files: files.config({"token": "abc"}, certificate_authority="/dev/null"),
        "has certificate-authority and certificate-authority-data: remove one of them",
    ),
    "an authority that does not count": (
        lambda files: files.config({"token": "abc"}, insecure_skip_tls_verify=True),
        "has insecure-skip-tls-verify and a certificate-authority: remove one of them",
    ),
    "a removed auth-provider": (
        lambda files: files.config({"auth-provider": {"name": "gcp", "config": {}}}),
        "its user has an auth-provider (gcp), which is not supported: use an exec plugin",
    ),
    "a plugin without a mode": (
        lambda files: files.config(files.run(files.plugin(token="t"), interactiveMode="")),
        "its user: exec needs an interactiveMode: Never, IfAvailable, Always",
    ),
    "a plugin of an old version": (
        lambda files: files.config(
            files.run(files.plugin(token="t"), apiVersion="client.authentication.k8s.io/v1alpha1")
        ),
        "its user: exec has an apiVersion other than client.authentication.k8s.io/v1 and",
    ),
    "a plugin without a command": (
        lambda files: files.config(files.run("")),
        "its user: exec has no command",
    ),
    "a plugin that is not there": (
        lambda files: files.config(files.run("no-such-plugin", installHint="Get it\nat x.example")),
        (
            "gives no credential: its exec plugin no-such-plugin cannot be run: No such file or "
            "directory; Get it at x.example"
        ),
    ),
    "a plugin that fails": (
        lambda files: files.config(files.run(files.script("fails", "echo broken >&2; exit 7"))),
        "gives no credential: exec: process returned 7. broken",
    ),
    "a plugin that asks": (
        lambda files: files.config(files.run(files.plugin(token="t"), interactiveMode="Always")),
        "gives no credential: its exec plugin asks at a terminal, and there is none",
    ),
    "a plugin that gives nothing": (
        lambda files: files.config(files.run(files.plugin())),
        "gives no credential: its exec plugin gives neither token nor certificate",
    ),
    "a plugin that gives half": (
        lambda files: files.config(files.run(files.plugin(clientKeyData="x"))),
        "gives no credential: its exec plugin gives a certificate or a key, not both",
    ),
    "a plugin of another version": (
        lambda files: files.config(files.run(files.plugin(BETA, token="t"))),
        "gives no credential: exec: plugin api version client.authentication.k8s.io/v1beta1 does",
    ),
    "no such token file": (
        lambda files: files.config({"tokenFile": "none"}),
        "/none cannot be read: No such file or directory",
    ),
    "a user that is not there": (
        lambda files: changed(files.config({"token": "abc"}), "name: u", "name: v"),
        "has no entry 'u' in 'users', which its context names",
    ),
    "a name twice": (
        lambda files: changed(files.config({"token": "abc"}), "users:", "users:\n- {name: u}"),
        "has two entries 'u' in 'users'",
    ),
    "a token that is a number": (
        lambda files: files.config({"token": 12345}),
        "its user has a malformed token",
    ),
    "no current context": (
        lambda files: changed(files.config({"token": "abc"}), "current-context: x", ""),
        "has no context '': it has x; choose one with",
    ),
}


def changed(path: str, old: str, new: str) -> str:
    text = Path(path).read_text()
    assert old in text
    Path(path).write_text(text.replace(old, new))
    return path


@pytest.mark.parametrize("name", REFUSED)
def test_what_kubectl_refuses_is_one_line(files: Files, server: Server, name: str) -> None:
    form, line = REFUSED[name]
    given = Given(form(files))
    assert not ask_by_kubectl(given)
    with pytest.raises(KubeconfigError) as refused:
        ask(given.kubeconfig, "")
    assert line in str(refused.value)
    assert "\n" not in str(refused.value)
    assert server.who() == []


def test_a_login_that_kubectl_renews_in_its_file_is_refused(files: Files) -> None:
    """A copy in the state would use up the refresh token."""
    provider = {"name": "oidc", "config": {"id-token": "a.b.c", "refresh-token": "r"}}
    with pytest.raises(KubeconfigError, match=r"has an auth-provider \(oidc\), which is not"):
        minified.load(files.config({"auth-provider": provider}), "")


def test_a_token_file_is_read_for_each_operation(files: Files, server: Server) -> None:
    given = token_file(files)
    ask(given, "")
    (files.folder / "token").write_text("renewed")
    ask(given, "")
    assert [who for ((_, who),), *_ in server.who()] == ["Bearer from-file", "Bearer renewed"]


# Several files.


@pytest.fixture
def several(files: Files) -> str:
    """Files in several folders that name the same things differently; two are not there."""
    other = {"server": "https://elsewhere.example"}
    files.plugin(token="of-one", name="one/plugin")
    for folder in ("one", "two", "three"):
        (files.folder / folder).mkdir(exist_ok=True)
        (files.folder / folder / "token").write_text(f"of-{folder}")
    (files.folder / "two" / "ca").write_bytes(files.authority)
    names = [
        files.write(
            "one/config",
            users=[{"name": "plugin", "user": files.run("./plugin")}],
            contexts=[
                {"name": "by-plugin", "context": {"cluster": "c", "user": "plugin"}},
                {"name": "far", "context": {"cluster": "far", "user": "file"}},
            ],
        ),
        str(files.folder / "none"),
        files.write(
            "two/config",
            **{"current-context": "by-file"},
            clusters=[
                {
                    "name": "c",
                    "cluster": {"server": files.server.url, "certificate-authority": "ca"},
                }
            ],
            users=[
                {"name": "file", "user": {"tokenFile": "token"}},
                {"name": "plugin", "user": {"token": "never"}},
            ],
            contexts=[{"name": "by-file", "context": {"cluster": "c", "user": "file"}}],
        ),
        "",
        files.write(
            "three/config",
            **{"current-context": "by-plugin"},
            clusters=[{"name": "c", "cluster": other}, {"name": "far", "cluster": other}],
            users=[
                {"name": "file", "user": {"tokenFile": "token"}},
                {"name": "third", "user": {"tokenFile": "token"}},
            ],
            contexts=[
                {"name": "by-file", "context": {"cluster": "far", "user": "third"}},
                {"name": "by-third", "context": {"cluster": "c", "user": "third"}},
            ],
        ),
        str(files.folder / "two" / "config"),
    ]
    (files.folder / "four").write_text("")
    return os.pathsep.join([*names, str(files.folder / "four")])


@pytest.mark.parametrize(
    ("context", "token"),
    [("", "of-two"), ("by-plugin", "of-one"), ("by-file", "of-two"), ("by-third", "of-three")],
)
def test_several_files_are_merged(
    several: str, server: Server, monkeypatch: pytest.MonkeyPatch, context: str, token: str
) -> None:
    given = Given(several, context)
    assert ask_by_kubectl(given)
    by_kubectl = server.who()
    assert by_kubectl == [([("Authorization", f"Bearer {token}")], None, None)]

    monkeypatch.setenv("KUBECONFIG", several)
    ask(None, context)
    assert server.who() == by_kubectl
    ask(minified.load("", context), "")
    assert server.who() == by_kubectl


@pytest.mark.parametrize("context", ["", "by-plugin", "by-third", "far"])
def test_the_minified_kubeconfig_is_kubectls(
    several: str, monkeypatch: pytest.MonkeyPatch, context: str
) -> None:
    given = Given(several, context)
    view = kubectl(given, "config", "view", "--minify", "--raw", "--flatten", "-o", "json")
    monkeypatch.setenv("KUBECONFIG", several)
    assert flattened(yaml.safe_load(minified.load("", context))) == json.loads(view.stdout)


def flattened(config: dict[str, Any]) -> dict[str, Any]:
    """With what kubectl's --flatten and its encoder add, and the paths that they leave relative."""
    for each in config["clusters"]:
        if path := each["cluster"].pop("certificate-authority", None):
            each["cluster"]["certificate-authority-data"] = b64encode(
                Path(path).read_bytes()
            ).decode()
    for each in config["users"]:
        user = each["user"]
        if path := user.get("tokenFile"):
            user["tokenFile"] = Path(path).name
        if run := user.get("exec"):
            command = f"./{Path(run['command']).name}"
            said = {"args": None, "env": None, "provideClusterInfo": False}
            user["exec"] = {**said, **run, "command": command}
    return config


@pytest.mark.parametrize("broken", ["a: [1", "kind: Secret", "users: {a: b}"])
def test_one_that_is_broken_among_several_is_refused(
    several: str, files: Files, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    (files.folder / "four").write_text(broken)
    assert kubectl(Given(several), "config", "view", "--minify").returncode != 0
    monkeypatch.setenv("KUBECONFIG", several)
    with pytest.raises(KubeconfigError, match=f"^the kubeconfig {files.folder}/four "):
        minified.load("", "")


def test_the_context_that_leads_to_a_server_is_found_among_all(
    several: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", several)
    assert credentials.ambient_context(server.url) == "by-file", "the current one first"
    assert credentials.ambient_context("https://elsewhere.example") == "far"
    assert credentials.ambient_context("https://nowhere.example") is None
