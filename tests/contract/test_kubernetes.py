"""namerd on Kubernetes: what it keeps there, what it asks, and that it follows what changes."""

import base64
import json
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.contract import stand_ins
from tests.contract.namerd_api import NamerdApi, until, weights
from tests.contract.network import Gate
from tests.contract.pair import Mesh
from tests.contract.stand_ins import APPS_NAMESPACE, MESH_NAMESPACE, StandIns

pytestmark = pytest.mark.stand_ins

DTABS = f"namespaces/{MESH_NAMESPACE}/dtabs"
PODS = (f"{stand_ins.NODE}.60", f"{stand_ins.NODE}.61")


def dtab_object(world: StandIns, name: str) -> Any:
    return json.loads(world.api.kubectl("get", "--raw", f"/apis/l5d.io/v1alpha1/{DTABS}/{name}"))


def kubectl_dentries(world: StandIns, name: str, dentries: list[dict[str, str]]) -> None:
    patch = json.dumps({"dentries": dentries})
    world.api.kubectl(
        "patch", "dtabs.l5d.io", name, "--namespace", MESH_NAMESPACE, "--type=merge", "-p", patch
    )


# What is kept


def test_a_table_is_an_object_with_its_dentries_at_the_top(
    world: StandIns, mesh: Mesh, unused: str
) -> None:
    mesh.namerd.write(unused, "/svc => /host ; /host/x => 3 * /a & /b")
    kept = dtab_object(world, unused)
    assert (kept["apiVersion"], kept["kind"]) == ("l5d.io/v1alpha1", "DTab")
    assert kept["dentries"] == [
        {"prefix": "/svc", "dst": "/host"},
        {"prefix": "/host/x", "dst": "3.00*/a & /b"},
    ]


def test_the_tag_is_the_resource_version_in_base64(
    world: StandIns, mesh: Mesh, unused: str
) -> None:
    mesh.namerd.write(unused, "/a => /b")
    version = dtab_object(world, unused)["metadata"]["resourceVersion"]
    assert mesh.namerd.version(unused) == base64.b64encode(version.encode()).decode()


def test_tables_outlive_namerd(world: StandIns, mesh: Mesh, unused: str) -> None:
    mesh.namerd.write(unused, "/a => /b")
    address = world.address()
    process = world.start_namerd(address)
    another = NamerdApi(world.talker(address, 4180))
    assert another.read_until(unused, lambda answer: answer.status == 200).text == "/a=>/b\n"
    process.end()


def test_what_others_write_is_read(world: StandIns, mesh: Mesh, unused: str) -> None:
    mesh.namerd.write(unused, "/a => /b")
    with mesh.namerd.watch("dtabs", unused) as stream:
        stream.line()
        kubectl_dentries(world, unused, [{"prefix": "/a", "dst": "/c"}])
        assert stream.json() == [{"prefix": "/a", "dst": "/c"}]
    assert mesh.namerd.read(unused) == "/a=>/c"


def test_a_write_by_a_tag_from_before_someone_elses_is_412(
    world: StandIns, mesh: Mesh, unused: str
) -> None:
    mesh.namerd.write(unused, "/a => /b")
    tag = mesh.namerd.version(unused)
    kubectl_dentries(world, unused, [{"prefix": "/a", "dst": "/theirs"}])
    assert mesh.namerd.ask("PUT", unused, "/a => /ours", If_Match=tag).status == 412
    assert dtab_object(world, unused)["dentries"] == [{"prefix": "/a", "dst": "/theirs"}]


def test_a_write_through_namerd_replaces_what_a_direct_one_left_on_the_object(
    world: StandIns, mesh: Mesh, unused: str
) -> None:
    """So whose write is in force can be read off the object."""
    dentries = [{"prefix": "/a", "dst": "/b"}]
    metadata = {"name": unused, "namespace": MESH_NAMESPACE, "annotations": {"owner": "a stack"}}
    kind = {"apiVersion": "l5d.io/v1alpha1", "kind": "DTab"}
    world.api.apply({**kind, "metadata": metadata, "dentries": dentries})
    mesh.namerd.read_until(unused, lambda answer: answer.status == 200)
    before = dtab_object(world, unused)["metadata"]
    assert before["annotations"]["owner"] == "a stack"

    mesh.namerd.write(unused, "/a => /c")
    after = dtab_object(world, unused)["metadata"]
    assert after["uid"] == before["uid"]
    assert "annotations" not in after
    writers = {(each["manager"], each["operation"]) for each in after["managedFields"]}
    assert writers == {("kubectl", "Update")}


# Reads come from a watch


@pytest.fixture
def user() -> str:
    """Whom Kubernetes takes the test's own namerd for."""
    return f"namerd-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def gated(world: StandIns, user: str) -> Iterator[tuple[NamerdApi, Gate]]:
    """A namerd whose watches of Kubernetes can be held up or cut."""
    address, port = world.address(), world.port()
    with world.api.proxy(world.api.kubeconfig_for(user, ["system:masters"])) as url:
        outside = urlsplit(url)
        assert outside.hostname
        assert outside.port
        gate = world.network.bring_in(("127.0.0.1", port), (outside.hostname, outside.port))
        api = {"kind": "io.l5d.k8s", "host": "localhost", "port": port}
        process = world.start_namerd(
            address, namers=[api], storage={**api, "namespace": MESH_NAMESPACE}
        )
        namerd = NamerdApi(world.talker(address, 4180))
        until(lambda: namerd.talker.get("/api/1/dtabs").status, lambda status: status == 200)
        yield namerd, gate
        gate.release()
        process.end()


def test_a_read_may_lag_behind_a_write(
    gated: tuple[NamerdApi, Gate], mesh: Mesh, unused: str
) -> None:
    namerd, gate = gated
    mesh.namerd.write(unused, "/a => /b")
    before = namerd.read_until(unused, lambda answer: answer.status == 200)
    gate.hold()
    namerd.must("PUT", unused, 204, "/a => /c")
    assert namerd.read(unused) == "/a=>/b"
    assert namerd.version(unused) == before.headers["etag"]
    assert namerd.ask("PUT", unused, "/a => /d", If_Match=before.headers["etag"]).status == 412
    gate.release()
    assert namerd.read_until(unused, lambda answer: "/c" in answer.text).text == "/a=>/c\n"


def test_nothing_is_lost_when_a_watch_is_cut(
    gated: tuple[NamerdApi, Gate], mesh: Mesh, unused: str
) -> None:
    namerd, gate = gated
    for number in range(5):
        gate.cut()
        mesh.namerd.must("PUT", unused, 204, f"/a => /b{number}")
        read = namerd.read_until(unused, lambda answer: f"b{number}\n" in answer.text)  # noqa: B023
        assert read.text == f"/a=>/b{number}\n"


# What is asked of Kubernetes


def asked_since(world: StandIns, user: str, start: int) -> list[str]:
    """The paths of a user's requests that the API server has answered; of watches, as they end."""
    return [request.path for request in world.api.requests()[start:] if request.user == user]


def test_tables_are_listed_and_watched_in_one_namespace(
    world: StandIns, gated: tuple[NamerdApi, Gate], user: str
) -> None:
    _, gate = gated
    listing = f"/apis/l5d.io/v1alpha1/{DTABS}"
    watching = f"/apis/l5d.io/v1alpha1/watch/{DTABS}?resourceVersion="
    start = len(world.api.requests())
    gate.cut()
    asked = until(lambda: asked_since(world, user, start), bool)
    assert all(path.startswith(watching) for path in asked)
    assert listing in asked_since(world, user, 0)
    assert not [path for path in asked_since(world, user, 0) if path.endswith("v1alpha1/dtabs")]


def test_a_service_is_asked_for_by_name_and_only_when_somebody_wants_it(
    world: StandIns, gated: tuple[NamerdApi, Gate], user: str
) -> None:
    namerd, gate = gated
    world.endpoints("asked-for", PODS[:1], 7778)
    place = f"namespaces/{APPS_NAMESPACE}/endpoints/asked-for"
    start = len(world.api.requests())
    namerd.bind("none", "/svc/world")
    assert not asked_since(world, user, start)
    path = f"/#/io.l5d.k8s/{APPS_NAMESPACE}/http/asked-for"
    assert namerd.addr("any", path).json["type"] == "bound"
    assert asked_since(world, user, start) == [f"/api/v1/{place}"]
    watch = f"/api/v1/watch/{place}?resourceVersion="

    def watched() -> bool:
        gate.cut()  # a watch is told of when it ends; the first may not have begun yet
        return any(path.startswith(watch) for path in asked_since(world, user, start))

    assert until(watched, lambda found: found)


# Endpoints are followed


@dataclass(frozen=True)
class Versions:
    """Two services, and the one pod of the first."""

    first: str
    second: str
    pod: str


@pytest.fixture
def versions(world: StandIns) -> Iterator[Versions]:
    """Two services with one pod each."""
    names = ("changing-v1", "changing-v2")
    pods = [world.address() for _ in names]
    processes = []
    for name, pod in zip(names, pods, strict=True):
        processes.append(world.start_pod(pod, 7778, TARGET_WORLD=name))
        world.endpoints(name, [pod], 7778)
    yield Versions(*names, pods[0])
    for process in processes:
        process.end()
    for name in names:
        world.api.kubectl(
            "delete", "endpoints", name, "--namespace", APPS_NAMESPACE, "--ignore-not-found"
        )


@pytest.mark.parametrize("gone", ["no pods", "no service"])
def test_a_version_without_pods_is_dropped_and_the_other_takes_all(
    world: StandIns, mesh: Mesh, versions: Versions, gone: str
) -> None:
    """At any weight; /bind hides it, /addr and /delegate show it."""
    first, second = versions.first, versions.second
    split = f"/svc/changing => 99 * /srv/{first} & 1 * /srv/{second}"

    def seen(count: int) -> Counter[str]:
        return mesh.outcomes(split, count, "changing")

    assert len(seen(20)) >= 1
    if gone == "no pods":
        world.endpoints(first, [], 7778)
    else:
        world.remove_endpoints(first)
    bound = until(
        lambda: mesh.namerd.bound("internal", "/svc/changing", dtab=split),
        lambda tree: tree["type"] == "leaf",
    )
    assert [name.rpartition("/")[2] for name in weights(bound)] == [second]
    name = f"/#/io.l5d.k8s/{APPS_NAMESPACE}/http/{first}"
    assert mesh.namerd.addr("internal", name).json == {"type": "neg"}
    assert '"type":"neg"' in mesh.namerd.delegate("internal", f"/srv/{first}").text
    until(lambda: seen(20), lambda words: words == {second: 20})
    assert seen(100) == {second: 100}


def test_a_version_that_gets_pods_comes_back(
    world: StandIns, mesh: Mesh, versions: Versions
) -> None:
    first, second = versions.first, versions.second
    either = f"/svc/changing => /srv/{first} | /srv/{second}"

    def seen() -> Counter[str]:
        return mesh.outcomes(either, 5, "changing")

    world.endpoints(first, [], 7778)
    until(seen, lambda words: words == {second: 5})
    world.endpoints(first, [versions.pod], 7778)
    assert until(seen, lambda words: words == {first: 5}) == {first: 5}


def test_new_and_removed_pods_are_told_to_those_who_watch(world: StandIns, mesh: Mesh) -> None:
    world.endpoints("watched", PODS[:1], 7778)
    path = f"/#/io.l5d.k8s/{APPS_NAMESPACE}/http/watched"
    with mesh.namerd.watch("addr", "any", path=path) as stream:
        assert [each["ip"] for each in stream.json()["addrs"]] == [PODS[0]]
        world.endpoints("watched", PODS, 7778)
        assert {each["ip"] for each in stream.json()["addrs"]} == set(PODS)
        world.endpoints("watched", [], 7778)
        assert stream.json() == {"type": "neg"}


def test_pods_that_are_not_ready_are_left_out(world: StandIns, mesh: Mesh) -> None:
    world.endpoints("half-ready", PODS[:1], 7778, not_ready=PODS[1:])
    addr = mesh.namerd.addr("any", f"/#/io.l5d.k8s/{APPS_NAMESPACE}/http/half-ready").json
    assert [each["ip"] for each in addr["addrs"]] == [PODS[0]]


def test_a_service_whose_pods_are_all_unready_is_bound_to_nothing(
    world: StandIns, mesh: Mesh
) -> None:
    """It has its port, so it is a leaf, and its share of requests fails (from the source)."""
    world.endpoints("unready", [], 7778, not_ready=PODS)
    addr = mesh.namerd.addr("any", f"/#/io.l5d.k8s/{APPS_NAMESPACE}/http/unready").json
    assert (addr["type"], addr["addrs"]) == ("bound", [])


def test_an_endpoint_tells_its_node(world: StandIns, mesh: Mesh) -> None:
    world.endpoints("placed", PODS[:1], 7778)
    addr = mesh.namerd.addr("any", f"/#/io.l5d.k8s/{APPS_NAMESPACE}/http/placed").json
    assert addr["addrs"][0]["meta"] == {"nodeName": stand_ins.NODE}


def test_a_port_may_be_a_number_of_the_service(world: StandIns, mesh: Mesh) -> None:
    world.endpoints("numbered", PODS[:1], 7778)
    ports = [{"name": "http", "port": 80, "targetPort": "http"}]
    world.api.apply(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "numbered", "namespace": APPS_NAMESPACE},
            "spec": {"clusterIP": "None", "ports": ports},
        }
    )
    addr = mesh.namerd.addr("any", f"/#/io.l5d.k8s/{APPS_NAMESPACE}/80/numbered").json
    assert [(each["ip"], each["port"]) for each in addr["addrs"]] == [(PODS[0], 7778)]
    other = mesh.namerd.addr("any", f"/#/io.l5d.k8s/{APPS_NAMESPACE}/81/numbered").json
    assert other == {"type": "neg"}
