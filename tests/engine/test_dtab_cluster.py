"""Tables of a cluster: the forms of credentials, and what goes wrong on the way."""

import base64
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from dynamic.dtab import DtabProvider
from local.paths import ROOT
from tests.engine.cluster import MESH, SERVICE, Cluster
from tests.engine.tables import text
from tests.harness.faults import Exchange, FaultProxy
from tests.harness.processes import refusing_port
from tests.harness.tunnel import tunnel
from tests.harness.waiting import wait_until
from tests.provider_host import CallError, ProviderHost, Stack

NewHost = Callable[..., ProviderHost]


def decoded(data: str) -> bytes:
    return base64.b64decode(data)


def as_files(cluster: Cluster, folder: Path) -> dict[str, Any]:
    """The administrator's kubeconfig with file names for what it holds."""
    user, settings = cluster.admin["users"][0]["user"], cluster.admin["clusters"][0]["cluster"]
    files = {
        "client.crt": user["client-certificate-data"],
        "client.key": user["client-key-data"],
        "ca.crt": settings["certificate-authority-data"],
    }
    for name, data in files.items():
        (folder / name).write_bytes(decoded(data))
        (folder / name).chmod(0o600)
    return cluster.kubeconfig(
        {"client-certificate": "client.crt", "client-key": "client.key"},
        certificate_authority_data=None,
        certificate_authority="ca.crt",
    )


def plugin(folder: Path, said: str, code: int = 0) -> dict[str, Any]:
    """A user whose credential an exec plugin prints."""
    script = folder / "plugin"
    script.write_text(f"#!/bin/sh\ncat <<'END'\n{said}\nEND\nexit {code}\n")
    script.chmod(0o700)
    version = "client.authentication.k8s.io/v1"
    return {"exec": {"apiVersion": version, "command": str(script), "interactiveMode": "Never"}}


def credential(**status: str) -> str:
    version = "client.authentication.k8s.io/v1"
    return json.dumps({"apiVersion": version, "kind": "ExecCredential", "status": status})


Form = Callable[[Cluster, Path], dict[str, Any] | str]


def certificate_data(cluster: Cluster, folder: Path) -> dict[str, Any]:
    return cluster.admin


def files_by_absolute_name(cluster: Cluster, folder: Path) -> str:
    config = as_files(cluster, folder)
    return (
        yaml.safe_dump(config)
        .replace(": client.", f": {folder}/client.")
        .replace(": ca.crt", f": {folder}/ca.crt")
    )


def path_with_files_beside_it(cluster: Cluster, folder: Path) -> str:
    path = folder / "config"
    path.write_text(yaml.safe_dump(as_files(cluster, folder)))
    return str(path)


def content_in_json(cluster: Cluster, folder: Path) -> str:
    return json.dumps(cluster.admin)


def token(cluster: Cluster, folder: Path) -> dict[str, Any]:
    return cluster.kubeconfig({"token": cluster.service_account("by-token")})


def token_file(cluster: Cluster, folder: Path) -> dict[str, Any]:
    (folder / "token").write_text(cluster.service_account("by-token-file") + "\n")
    return cluster.kubeconfig({"tokenFile": str(folder / "token")})


def exec_plugin_with_a_token(cluster: Cluster, folder: Path) -> dict[str, Any]:
    said = credential(token=cluster.service_account("by-plugin"))
    return cluster.kubeconfig(plugin(folder, said))


def exec_plugin_with_a_certificate(cluster: Cluster, folder: Path) -> dict[str, Any]:
    user = cluster.admin["users"][0]["user"]
    said = credential(
        clientCertificateData=decoded(user["client-certificate-data"]).decode(),
        clientKeyData=decoded(user["client-key-data"]).decode(),
    )
    return cluster.kubeconfig(plugin(folder, said))


def insecure(cluster: Cluster, folder: Path) -> dict[str, Any]:
    return cluster.kubeconfig(certificate_authority_data=None, insecure_skip_tls_verify=True)


def another_name_in_the_certificate(cluster: Cluster, folder: Path) -> dict[str, Any]:
    return cluster.kubeconfig(tls_server_name="localhost")


FORMS: list[Form] = [
    certificate_data, files_by_absolute_name, path_with_files_beside_it, content_in_json, token,
    token_file, exec_plugin_with_a_token, exec_plugin_with_a_certificate, insecure,
    another_name_in_the_certificate,
]  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_kubeconfig_serves_a_whole_life(
    stack: Stack, cluster: Cluster, tmp_path: Path, form: Form
) -> None:
    kubeconfig = form(cluster, tmp_path)
    assert stack.up(cluster.inputs(kubeconfig, 10)) == "create"
    assert stack.up(cluster.inputs(kubeconfig, 20)) == "update"
    assert cluster.table() == text(20)
    assert stack.refresh() == "read"
    assert stack.up(cluster.inputs(kubeconfig, 20)) == "same"
    stack.destroy()
    assert cluster.table() is None


def test_a_kubeconfigs_proxy_is_used(stack: Stack, cluster: Cluster) -> None:
    with tunnel() as proxy:
        url = f"http://127.0.0.1:{proxy.server_address[1]}"
        stack.up(cluster.inputs(cluster.kubeconfig(proxy_url=url), 10))
        assert set(proxy.asked) == {cluster.api.url.removeprefix("https://")}
    assert cluster.table() == text(10)


def test_the_environments_ca_bundle_and_proxy_do_not_stand_in_for_the_kubeconfigs(
    new_host: NewHost, cluster: Cluster, tmp_path: Path
) -> None:
    (tmp_path / "other-ca.pem").write_text("")
    host = new_host(
        REQUESTS_CA_BUNDLE=str(tmp_path / "other-ca.pem"),
        CURL_CA_BUNDLE=str(tmp_path / "other-ca.pem"),
        HTTPS_PROXY="http://127.0.0.1:1",
        ALL_PROXY="http://127.0.0.1:1",
    )
    assert Stack(host, DtabProvider()).up(cluster.inputs(cluster.admin, 10)) == "create"


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_no_authority_of_the_environment_is_trusted_beside_the_kubeconfigs(
    new_host: NewHost, cluster: Cluster, tmp_path: Path, variable: str
) -> None:
    """The environment has the right one, the kubeconfig another."""
    other = (ROOT / "tests" / "data" / "another-authority.pem").read_bytes()
    kubeconfig = cluster.kubeconfig(certificate_authority_data=base64.b64encode(other).decode())
    host = new_host(**{variable: str(cluster.api.ca_file)})
    with pytest.raises(CallError, match="cannot be trusted: unable to get local issuer"):
        Stack(host, DtabProvider()).up(cluster.inputs(kubeconfig, 10))


def test_the_environments_proxy_is_used_but_for_what_it_leaves_out(
    new_host: NewHost, cluster: Cluster
) -> None:
    port = cluster.api.port
    away = f"https://kube.example:{port}"
    kubeconfig = cluster.kubeconfig(server=away, tls_server_name="127.0.0.1")
    with tunnel(to="127.0.0.1") as proxy:
        url = f"http://127.0.0.1:{proxy.server_address[1]}"
        for name in ("HTTPS_PROXY", "https_proxy"):
            stack = Stack(new_host(**{name: url}), DtabProvider())
            stack.up(cluster.inputs(kubeconfig, 10))
            stack.destroy()
            assert set(proxy.asked) == {f"kube.example:{port}"}
            del proxy.asked[:]
        for left_out in ("kube.example", ".example", "*"):
            host = new_host(HTTPS_PROXY=url, NO_PROXY=left_out, LINKERD_CANARY_PATIENCE="0.01")
            with pytest.raises(CallError, match=f"the cluster at {away} cannot be reached"):
                Stack(host, DtabProvider()).up(cluster.inputs(kubeconfig, 10))
        assert proxy.asked == []


def test_a_proxy_that_refuses_is_named_without_its_password(stack: Stack, cluster: Cluster) -> None:
    with refusing_port() as port:
        proxy = f"http://user:s3cret@127.0.0.1:{port}"
        inputs = cluster.inputs(cluster.kubeconfig(proxy_url=proxy), 10)
        with pytest.raises(CallError) as refused:
            stack.up(inputs)
    assert str(refused.value) == (
        f"{cluster.where} cannot be reached: its proxy fails: Connection refused; "
        "gave up after 30 s"
    )


def test_the_ambient_kubeconfig_serves_where_none_is_given(
    new_host: NewHost, cluster: Cluster, tmp_path: Path
) -> None:
    (tmp_path / "ambient").write_text(yaml.safe_dump(cluster.admin))
    stack = Stack(new_host(KUBECONFIG=str(tmp_path / "ambient")), DtabProvider())
    assert stack.up(cluster.inputs(None, 10)) == "create"
    context = cluster.admin["current-context"]
    assert stack.up(cluster.inputs(None, 20, context=context)) == "update"
    stack.destroy()


def mismatched(cluster: Cluster, folder: Path) -> dict[str, Any]:
    user = dict(cluster.admin["users"][0]["user"])
    user["client-key-data"] = base64.b64encode(
        cluster.api.kubeconfig_for("mismatched").read_bytes()
    ).decode()
    return cluster.kubeconfig(user)


BAD: dict[str, tuple[Form, str]] = {
    "a missing file": (
        lambda cluster, folder: str(folder / "none"),
        (
            "cannot read the kubeconfig {folder}/none: No such file or directory; "
            "set its path with `pulumi config set kubeconfig …`, or $KUBECONFIG"
        ),
    ),
    "no YAML": (
        lambda cluster, folder: "a: b\n\tc: d",
        "the kubeconfig is no kubeconfig: not YAML, line 2",
    ),
    "no kubeconfig": (
        lambda cluster, folder: "a: b\nc: d",
        (
            "the kubeconfig has no context '': it has none; "
            "choose one with `pulumi config set kubeContext …`"
        ),
    ),
    "another shape": (
        lambda cluster, folder: "- s3cret\n- list",
        "the kubeconfig is no kubeconfig: it has no list `contexts`",
    ),
    "no such user file": (
        lambda cluster, folder: cluster.kubeconfig(
            {"client-certificate": f"{folder}/none.crt", "client-key": f"{folder}/none.key"}
        ),
        "the kubeconfig cannot be used: File does not exist: {folder}/none.crt",
    ),
    "no such token file": (
        lambda cluster, folder: cluster.kubeconfig({"tokenFile": f"{folder}/none"}),
        "the kubeconfig: its tokenFile {folder}/none cannot be read: No such file or directory",
    ),
    "a key that is no key": (
        mismatched,
        (
            "the kubeconfig holds a certificate or key that cannot be read, or that do not belong "
            "together"
        ),
    ),
    "no base64": (
        lambda cluster, folder: cluster.kubeconfig(certificate_authority_data="s3cret!"),
        "the kubeconfig: its cluster has a malformed certificate-authority-data",
    ),
    "a server that is no URL": (
        lambda cluster, folder: cluster.kubeconfig(server="kube.example:6443"),
        "the kubeconfig has no URL such as 'https://HOST:6443' as the server of its cluster",
    ),
    "a server that cannot be": (
        lambda cluster, folder: cluster.kubeconfig(server=f"https://{'a' * 70}.example"),
        (
            "the cluster at https://{long}.example cannot be asked: "
            "its address, its proxy's or a token is malformed"
        ),
    ),
    "a proxy that cannot be": (
        lambda cluster, folder: cluster.kubeconfig(proxy_url="http://user:s3cret@:x"),
        (
            "the cluster at {server} cannot be asked: "
            "its address, its proxy's or a token is malformed"
        ),
    ),
    "a proxy of another kind": (
        lambda cluster, folder: cluster.kubeconfig(proxy_url="socks5://user:s3cret@localhost:1080"),
        (
            "the kubeconfig has a proxy-url of the kind 'socks5'; only http and https proxies are "
            "supported: give one of these, or a tunnel's own address as the server"
        ),
    ),
    "a token of two lines": (
        lambda cluster, folder: cluster.kubeconfig({"token": "s3cret\ns3cret"}),
        "the kubeconfig has a token with a line break or the like in it",
    ),
    "a token that no header can hold": (
        lambda cluster, folder: cluster.kubeconfig({"token": "s3cret\u20ac"}),
        (
            "the cluster at {server} cannot be asked: "
            "its address, its proxy's or a token is malformed"
        ),
    ),
    "a plugin that fails": (
        lambda cluster, folder: cluster.kubeconfig(plugin(folder, "no login", 3)),
        "the kubeconfig gives no credential: exec: process returned 3",
    ),
    "a plugin that is missing": (
        lambda cluster, folder: cluster.kubeconfig(
            {
                "exec": {
                    "apiVersion": "client.authentication.k8s.io/v1beta1",
                    "command": "kubelogin-x",
                    "installHint": "see https://kubelogin.example",
                }
            }
        ),
        (
            "the kubeconfig gives no credential: its exec plugin kubelogin-x cannot be run: "
            "No such file or directory; see https://kubelogin.example"
        ),
    ),
    "a plugin that says something else": (
        lambda cluster, folder: cluster.kubeconfig(plugin(folder, "s3cret")),
        (
            "the kubeconfig gives no credential: exec: failed to decode process output: Expecting "
            "value: line 1 column 1 (char 0)"
        ),
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_kubeconfig_that_cannot_be_used_is_one_clear_line(
    stack: Stack, cluster: Cluster, tmp_path: Path, name: str
) -> None:
    form, line = BAD[name]
    with pytest.raises(CallError) as refused:
        stack.up(cluster.inputs(form(cluster, tmp_path)))
    assert str(refused.value) == line.format(
        folder=tmp_path, service=SERVICE, server=cluster.api.url, long="a" * 70
    )
    assert not any("s3cret" in said for said in (str(refused.value), *stack.host.said))


def test_a_context_that_does_not_exist(stack: Stack, cluster: Cluster) -> None:
    with pytest.raises(CallError) as refused:
        stack.up(cluster.inputs(cluster.admin, context="nowhere"))
    context = cluster.admin["current-context"]
    assert str(refused.value) == (
        f"the kubeconfig has no context 'nowhere': it has {context}; "
        "choose one with `pulumi config set kubeContext …`"
    )


def test_the_wrong_authority(stack: Stack, cluster: Cluster, tmp_path: Path) -> None:
    other = cluster.kubeconfig(certificate_authority_data=None)  # the machine's own, then
    with pytest.raises(CallError) as refused:
        stack.up(cluster.inputs(other))
    assert str(refused.value) == (
        f"{cluster.where} cannot be trusted: unable to get local issuer certificate; its "
        "certificate is not of the authority, or for the name, that the kubeconfig gives"
    )
    wrong_name = cluster.kubeconfig(tls_server_name="elsewhere.example")
    with pytest.raises(CallError, match="cannot be trusted: Hostname mismatch") as refused:
        stack.up(cluster.inputs(wrong_name))
    assert "\n" not in str(refused.value)


def test_a_token_that_nobody_knows(stack: Stack, cluster: Cluster) -> None:
    with pytest.raises(CallError) as refused:
        stack.up(cluster.inputs(cluster.kubeconfig({"token": "s3cret"})))
    assert str(refused.value) == (
        f"{cluster.where} answers 401, not authorised: the credential is wrong or has expired; "
        "renew it, then run the command again"
    )


def rights(cluster: Cluster, user: str, *rules: tuple[str, str, str]) -> str:
    """A kubeconfig of a user who may tell the cluster, and (verbs, resource, namespace) beside."""
    where = (("get", "namespaces", "kube-system"), *rules)
    for i, (verbs, resource, namespace) in enumerate(where):
        name = f"{user}-{i}"
        named = [f"--verb={verb}" for verb in verbs.split(",")]
        cluster.api.kubectl(
            "create", "role", name, "-n", namespace, f"--resource={resource}", *named
        )
        cluster.api.kubectl(
            "create", "rolebinding", name, "-n", namespace, f"--role={name}", f"--user={user}"
        )
        cluster.api.wait_until_allowed(user, verbs.partition(",")[0], resource, namespace)
    return cluster.api.kubeconfig_for(user).read_text()


def test_a_user_who_may_not_tell_the_cluster(stack: Stack, cluster: Cluster) -> None:
    path = cluster.api.kubeconfig_for("without-rights")
    with pytest.raises(CallError) as refused:
        stack.up(cluster.inputs(path.read_text()))
    assert str(refused.value) == (
        f'{cluster.where} answers 403, forbidden: namespaces "kube-system" is forbidden: User '
        '"without-rights" cannot get resource "namespaces" in API group "" in the namespace '
        '"kube-system"; grant get on the namespace kube-system'
    )


def test_plain_rbac_on_the_objects_decides_who_changes_routes(
    stack: Stack, cluster: Cluster
) -> None:
    """Each verb is missed by the command that takes it, and nothing is changed without it."""
    reader = rights(cluster, "reader", ("get", "dtabs.l5d.io", MESH))
    asked = rights(
        cluster,
        "asked",
        ("get,create,update", "dtabs.l5d.io", MESH),
        ("get", "services/proxy", MESH),
    )
    with pytest.raises(CallError, match=r"answers 403, forbidden: .* grant get on services/proxy"):
        stack.up(cluster.inputs(reader, 10))
    assert cluster.table() is None
    stack.up(cluster.inputs(asked, 10))
    _, diff = stack.preview(cluster.inputs(reader, 20))
    assert diff is not None
    assert diff.changes
    with pytest.raises(CallError, match=r"grant update on dtabs\.l5d\.io in dtab-mesh"):
        stack.up(cluster.inputs(reader, 0))
    with pytest.raises(CallError, match=r"grant delete on dtabs\.l5d\.io in dtab-mesh"):
        stack.destroy()
    stack.up(cluster.inputs(asked, 0))
    cluster.clear()
    with pytest.raises(CallError, match=r"grant create on dtabs\.l5d\.io in dtab-mesh"):
        stack.up(cluster.inputs(reader, 0))


def test_a_namespace_that_is_not_there(stack: Stack, cluster: Cluster) -> None:
    kubeconfig = cluster.admin
    more: dict[str, Any] = {"splits": {}}
    with pytest.raises(CallError) as refused:
        stack.up(cluster.inputs(kubeconfig, more=more, service="nosuch/namerd"))
    assert str(refused.value) == (
        f"the namespace nosuch of {cluster.where} takes no dtabs.l5d.io (namespaces "
        '"nosuch" not found): check the namespace, and that namerd\'s CustomResourceDefinition is '
        "there"
    )


def test_a_weight_that_rises_waits_for_namerd(
    new_host: NewHost, stack: Stack, cluster: Cluster, namerd_admin: FaultProxy
) -> None:
    late = f"{MESH}/late"
    cluster.api.apply(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "late", "namespace": MESH},
            "spec": {"ports": [{"name": "admin", "port": 9991}]},
        },
        {
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": {"name": "late", "namespace": MESH},
            "subsets": [],
        },
    )
    with pytest.raises(CallError) as refused:
        stack.up(cluster.inputs(cluster.admin, service=late))
    assert str(refused.value) == (
        f"namerd (service {late} of {cluster.where}) is not up: {cluster.where} cannot do it now: "
        '503, no endpoints available for service "late"; look at its pods and their log; '
        "gave up after 30 s"
    )
    assert cluster.table() is None
    before = len(cluster.api.requests())

    def refused_again() -> bool:
        asked = [each for each in cluster.api.requests()[before:] if "/late:admin/" in each.path]
        return [each.status for each in asked[:2]] == [503, 503]

    port = int(namerd_admin.url.rpartition(":")[2])
    waiting = Stack(new_host(LINKERD_CANARY_PATIENCE="10"), DtabProvider())
    with ThreadPoolExecutor(1) as pool:
        create = pool.submit(waiting.up, cluster.inputs(cluster.admin, 10, service=late))
        wait_until(refused_again, "the service is asked for again")
        cluster.api.expose(MESH, "late", {"admin": port})
        assert create.result() == "create"
    assert cluster.table() == text(10)


def test_no_namerd_is_needed_for_a_way_back_a_refresh_or_a_destroy(
    stack: Stack, cluster: Cluster
) -> None:
    stack.up(cluster.inputs(cluster.admin, 10))
    assert stack.state is not None
    for props in (stack.state.inputs, stack.state.outputs):  # as if its service were gone
        props["namerd"] = {**props["namerd"], "service": f"{MESH}/gone"}
    assert stack.refresh() == "read"
    assert stack.up(cluster.inputs(cluster.admin, 0, service=f"{MESH}/gone")) == "update"
    assert cluster.table() == text(0)
    with pytest.raises(CallError, match=r"namerd .* is not there: services \"gone\" not found"):
        stack.up(cluster.inputs(cluster.admin, 10, service=f"{MESH}/gone"))
    assert cluster.table() == text(0)
    stack.destroy()
    assert cluster.table() is None


def test_an_unreachable_cluster(stack: Stack, cluster: Cluster) -> None:
    kubeconfig = cluster.kubeconfig(server="https://127.0.0.1:1")
    with pytest.raises(CallError) as refused:
        stack.up(cluster.inputs(kubeconfig))
    assert str(refused.value) == (
        "the cluster at https://127.0.0.1:1 cannot be reached: Connection refused; "
        "gave up after 30 s"
    )


def test_a_renewed_kubeconfig_is_an_update_that_writes_nothing(
    stack: Stack, cluster: Cluster
) -> None:
    stack.up(cluster.inputs(cluster.admin, 10))
    before = cluster.object()
    renewed = cluster.kubeconfig({"token": cluster.service_account("renewed")})
    _, diff = stack.preview(cluster.inputs(renewed, 10))
    assert diff is not None
    assert (diff.changes, diff.replaces) == (True, [])
    assert stack.up(cluster.inputs(renewed, 10)) == "update"
    assert cluster.object() == before
    assert stack.refresh() == "read"
    assert stack.up(cluster.inputs(renewed, 10)) == "same"


@pytest.fixture(scope="module")
def void(host: ProviderHost, shared_cluster: Cluster) -> str:
    """A kubeconfig whose credential nobody knows any more."""
    token_ = shared_cluster.service_account("ran-out")
    kubeconfig = yaml.safe_dump(shared_cluster.kubeconfig({"token": token_}))
    shared_cluster.api.kubectl("delete", "serviceaccount", "ran-out", "--namespace", MESH)
    stack = Stack(host, DtabProvider())
    # The API server knows tokens for some seconds more.
    wait_until(
        lambda: "401" in str(refused(lambda: stack.up(shared_cluster.inputs(kubeconfig, 10)))),
        "the token is refused",
        seconds=300,
    )
    return kubeconfig


@pytest.fixture
def revoked(cluster: Cluster, stack: Stack, void: str) -> Callable[[ProviderHost], Stack]:
    """Stacks of a table at weight 10 whose state has a credential that is void."""
    stack.up(cluster.inputs(cluster.admin, 10))
    assert stack.state is not None
    for props in (stack.state.inputs, stack.state.outputs):
        props["namerd"] = {**props["namerd"], "kubeconfig": void}
    return lambda host: Stack(host, DtabProvider(), stack.state)


def refused(act: Callable[[], object]) -> str | None:
    """What an error says, if there is one."""
    try:
        act()
    except CallError as error:
        return str(error)
    return None


def test_a_credential_that_ran_out_is_renewed_by_an_up(
    new_host: NewHost,
    cluster: Cluster,
    revoked: Callable[[ProviderHost], Stack],
) -> None:
    stack = revoked(new_host(KUBECONFIG="/nowhere"))
    denied = (
        f"with the state's kubeconfig, {cluster.where} answers 401, not authorised: the credential "
        "is wrong or has expired; renew it, then run the command again; "
    )
    renew = "run `pulumi up` with a valid one, which renews it in the state"
    no_other = "no ambient kubeconfig leads to the same server; "
    assert refused(stack.refresh) == f"{denied}{no_other}{renew}"
    assert refused(stack.destroy) == f"{denied}{renew}"
    _, diff = stack.preview(cluster.inputs(cluster.admin, 10))
    assert diff is not None
    assert diff.changes
    assert stack.up(cluster.inputs(cluster.admin, 10)) == "update"
    assert stack.refresh() == "read"
    assert stack.up(cluster.inputs(cluster.admin, 20)) == "update"
    stack.destroy()
    assert cluster.table() is None


def test_a_credential_that_ran_out_is_stood_in_for_by_the_ambient_one(
    new_host: NewHost,
    cluster: Cluster,
    revoked: Callable[[ProviderHost], Stack],
    tmp_path: Path,
) -> None:
    ambient = json.loads(json.dumps(cluster.admin))
    elsewhere = {"name": "elsewhere", "cluster": {"server": "https://192.0.2.1:6443"}}
    ambient["clusters"].insert(0, elsewhere)
    ambient["contexts"].insert(
        0, {"name": "elsewhere", "context": {"cluster": "elsewhere", "user": "nobody"}}
    )
    ambient["current-context"] = "elsewhere"
    (tmp_path / "ambient").write_text(yaml.safe_dump(ambient))
    stack = revoked(new_host(KUBECONFIG=f"{tmp_path}/ambient"))
    assert stack.refresh() == "read"
    said = (
        "read with context 'admin@kubernetes' of the ambient kubeconfig: "
        "the state's is refused (401)"
    )
    wait_until(lambda: said in stack.host.said, "the host says by which identity it has read")
    assert "answers 401" in str(refused(stack.destroy))
    assert cluster.table() == text(10)


def test_who_is_refused_by_name_does_not_become_somebody_else(
    new_host: NewHost, stack: Stack, cluster: Cluster, tmp_path: Path
) -> None:
    """403, where 401 would let a refresh try the ambient kubeconfig."""
    stack.up(cluster.inputs(cluster.admin, 10))
    (tmp_path / "ambient").write_text(yaml.safe_dump(cluster.admin))
    assert stack.state is not None
    for props in (stack.state.inputs, stack.state.outputs):
        path = cluster.api.kubeconfig_for("nobody-much")
        props["namerd"] = {**props["namerd"], "kubeconfig": path.read_text()}
    other = Stack(new_host(KUBECONFIG=f"{tmp_path}/ambient"), DtabProvider(), stack.state)
    for act in (other.refresh, other.destroy):
        assert "answers 403, forbidden" in str(refused(act))
    assert cluster.table() == text(10)


def test_of_several_ambient_contexts_the_current_one_goes_first(
    new_host: NewHost, cluster: Cluster, revoked: Callable[[ProviderHost], Stack], tmp_path: Path
) -> None:
    ambient = json.loads(json.dumps(cluster.admin))
    ambient["users"].append({"name": "expired", "user": {"token": "s3cret"}})
    at = {"cluster": ambient["contexts"][0]["context"]["cluster"], "user": "expired"}
    ambient["contexts"].insert(0, {"name": "expired", "context": at})
    (tmp_path / "ambient").write_text(yaml.safe_dump(ambient))
    assert revoked(new_host(KUBECONFIG=f"{tmp_path}/ambient")).refresh() == "read"


def test_an_ambient_kubeconfig_that_is_refused_too_is_named(
    new_host: NewHost,
    cluster: Cluster,
    revoked: Callable[[ProviderHost], Stack],
    tmp_path: Path,
) -> None:
    ambient = cluster.kubeconfig({"token": "s3cret"})
    (tmp_path / "ambient").write_text(yaml.safe_dump(ambient))
    stack = revoked(new_host(KUBECONFIG=f"{tmp_path}/ambient"))
    assert refused(stack.refresh) == (
        f"with the state's kubeconfig and with context '{ambient['current-context']}' of the "
        f"ambient one, {cluster.where} answers 401, not authorised: the credential is wrong or has "
        "expired; renew it, then run the command again; run `pulumi up` with a valid one, which "
        "renews it in the state"
    )


def test_refresh_and_destroy_end_when_the_namespace_is_gone(
    stack: Stack, cluster: Cluster, namerd_admin: FaultProxy
) -> None:
    cluster.api.kubectl("create", "namespace", "dtab-gone")
    cluster.api.expose("dtab-gone", "namerd", {"admin": int(namerd_admin.url.rpartition(":")[2])})
    stack.up(cluster.inputs(cluster.admin, 10, service="dtab-gone/namerd"))
    state = stack.state
    cluster.api.kubectl("delete", "namespace", "dtab-gone", "--wait", "--force", "--grace-period=0")
    assert stack.refresh() == "gone"
    stack.state = state
    stack.destroy()


@pytest.mark.parametrize("form", [certificate_data, exec_plugin_with_a_certificate])
def test_no_key_is_left_in_a_file_or_open_after_a_call_or_a_kill(
    new_host: NewHost,
    cluster: Cluster,
    namerd_admin: FaultProxy,
    tmp_path: Path,
    form: Form,
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    kubeconfig = form(cluster, tmp_path)
    stack = Stack(new_host(TMPDIR=str(temporary)), DtabProvider())
    stack.up(cluster.inputs(kubeconfig, 10))
    assert list(temporary.iterdir()) == []
    assert [link for link in open_files(stack.host) if "memfd" in link] == []

    def killed(exchange: Exchange) -> None:
        assert [link for link in open_files(stack.host) if "memfd" in link] == []
        assert list(temporary.iterdir()) == []
        stack.host.process.kill()
        exchange.hang_up()

    namerd_admin.on("GET", "/dtab/delegator.json", killed)
    with pytest.raises(CallError):
        stack.up(cluster.inputs(kubeconfig, 20))
    stack.host.process.wait()
    assert list(temporary.iterdir()) == []


def open_files(host: ProviderHost) -> list[str]:
    """What the host has open; its process is the very one that was started."""
    folder = Path(f"/proc/{host.process.pid}/fd")
    return [str(link.readlink()) for link in folder.iterdir() if link.is_symlink()]


def test_no_secret_is_said_or_kept(new_host: NewHost, cluster: Cluster, tmp_path: Path) -> None:
    """Not in errors, not on the host's outputs."""
    secret = cluster.service_account("quiet")
    stack = Stack(new_host(), DtabProvider())
    kubeconfig = cluster.kubeconfig({"token": secret})
    said = []
    for inputs in (
        cluster.inputs(kubeconfig, 10),
        cluster.inputs(kubeconfig, 20),
        cluster.inputs(kubeconfig, 20, service="nosuch/namerd"),
        cluster.inputs(cluster.kubeconfig({"token": secret}, server="https://127.0.0.1:1"), 30),
        cluster.inputs(kubeconfig, 30, context="nowhere"),
        cluster.inputs(f"{yaml.safe_dump(kubeconfig)}\n  - [", 30),
    ):
        try:
            stack.up(inputs)
        except CallError as error:
            said.append(str(error))
    assert len(said) == 4
    for text_ in (*said, *stack.host.said):
        assert secret not in text_
        assert "BEGIN" not in text_
