"""The node's configuration, control groups, waiting and checks, without a node."""

import configparser
import json
import os
import re
import shlex
import shutil
import socket
from pathlib import Path

import pytest
import yaml

from local import binaries, debs
from local.errors import LocalError
from local.node import cgroups, configuration, inside, mounts, preflight, waiting
from local.node.identity import FIRST, NODES
from local.node.network import API_PORT, Network
from tests.harness.networks import free_network

NET = Network.of("198.18.0.0/16")
IMAGES = {"PAUSE_IMAGE": "own/pause:1", "COREDNS_IMAGE": "own/coredns:1"}


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    return configuration.rendered(NET, FIRST, IMAGES)


@pytest.fixture(scope="module")
def third() -> dict[str, str]:
    return configuration.rendered(NET, NODES[2], IMAGES)


def test_every_file_is_rendered_and_well_formed(files: dict[str, str]) -> None:
    assert not any("${" in text for text in files.values())
    for place, text in files.items():
        if place.endswith(".yaml"):
            assert list(yaml.safe_load_all(text))
    assert json.loads(files["cni/node.conflist"])["plugins"][0]["ipam"]["ranges"] == [
        [{"subnet": "198.18.1.0/24"}]
    ]


def test_every_program_is_kept_up_and_is_one_that_is_built(files: dict[str, str]) -> None:
    every = _programs(files["supervisord.conf"])
    of_the_first = _programs(files["control-plane.conf"])
    policies = "/run/node/policies/network-policies"
    assert every == {"containerd", "kubelet", "kube-proxy", policies}
    assert of_the_first | every == set(binaries.KUBE_LINKS) - {"kubeadm"} | {
        policies,
        "containerd",
        "nsenter",
        "/run/node/image/image",
    }


def _programs(conf: str) -> set[str]:
    """The programs that a supervisord is to run, each of which it keeps up."""
    supervised = configparser.RawConfigParser()
    supervised.read_string(conf)
    programs = [name for name in supervised.sections() if name.startswith("program:")]
    assert all(supervised[name]["autorestart"] == "true" for name in programs)
    return {shlex.split(supervised[name]["command"])[0] for name in programs}


def test_another_node_has_its_own_and_nothing_of_the_control_plane(third: dict[str, str]) -> None:
    assert set(third) == {
        "cni/node.conflist",
        "containerd.toml",
        "kube-proxy.yaml",
        "kubelet.yaml",
        "registries/_default/hosts.toml",
        "resolv.conf",
        "supervisord.conf",
    }
    assert "198.18.3.0/24" in third["cni/node.conflist"]
    assert "198.18.3.0/24" in third["kube-proxy.yaml"]
    assert "--hostname-override local-node-3" in third["supervisord.conf"]
    assert "--node-ip 198.18.0.4" in third["supervisord.conf"]
    assert 'server = "http://198.18.0.2:10500"' in third["registries/_default/hosts.toml"]
    assert yaml.safe_load(third["kubelet.yaml"])["cgroupRoot"].endswith("/local-node-3")


def test_pods_have_control_groups_of_this_clones_own(files: dict[str, str]) -> None:
    kubelet = yaml.safe_load(files["kubelet.yaml"])
    assert kubelet["cgroupRoot"] == f"/{cgroups.NAME}/local-node"
    assert kubelet["clusterDNS"] == ["198.18.128.10"]


def test_a_busy_machine_is_no_reason_to_restart_the_dns_server(files: dict[str, str]) -> None:
    (coredns,) = (
        each
        for each in yaml.safe_load_all(files["manifests.yaml"])
        if each["kind"] == "Deployment" and each["metadata"]["name"] == "coredns"
    )
    (container,) = coredns["spec"]["template"]["spec"]["containers"]
    for probe in ("livenessProbe", "readinessProbe"):
        assert container[probe]["timeoutSeconds"] >= 5


def test_socket_paths_fit_wherever_the_clone_lies(files: dict[str, str]) -> None:
    sockets = re.findall(r"(?:unix://)?(/\S+\.sock)", "".join(files.values()))
    assert sockets
    assert all(len(path) < 108 for path in sockets)
    assert all(len(folder) < 40 for folder in mounts.data_of(FIRST).values())


def test_the_release_is_the_one_that_go_mod_pins() -> None:
    assert binaries.KUBERNETES_VERSION == "v1.34.4"
    stamps = binaries.version_stamps("v1.34.4")
    assert stamps["k8s.io/component-base/version.gitVersion"] == "v1.34.4"
    assert stamps["k8s.io/client-go/pkg/version.gitMinor"] == "34"
    with pytest.raises(ValueError, match=r"does not require example\.org/none"):
        binaries.module_version(binaries.BUILD, "example.org/none")


V1 = """\
25 30 0:23 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755
26 25 0:24 / /sys/fs/cgroup/unified rw shared:4 - cgroup2 cgroup2 rw,nsdelegate
27 25 0:25 / /sys/fs/cgroup/cpu,cpuacct rw shared:10 - cgroup cgroup rw,cpu,cpuacct
28 30 8:1 / / rw shared:1 - ext4 /dev/sda1 rw
"""
V2 = "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"


@pytest.mark.parametrize(
    ("mounted", "roots"),
    [(V1, ["/sys/fs/cgroup/unified", "/sys/fs/cgroup/cpu,cpuacct"]), (V2, ["/sys/fs/cgroup"])],
)
def test_both_layouts_of_control_groups(tmp_path: Path, mounted: str, roots: list[str]) -> None:
    (tmp_path / "mountinfo").write_text(mounted)
    assert [str(root) for root in cgroups.hierarchies(tmp_path / "mountinfo")] == roots


def test_no_control_groups_at_all(tmp_path: Path) -> None:
    (tmp_path / "mountinfo").write_text(V1.splitlines()[-1] + "\n")
    with pytest.raises(LocalError, match="no control groups"):
        cgroups.hierarchies(tmp_path / "mountinfo")


def test_this_process_is_alive_and_one_that_ended_is_not() -> None:
    assert cgroups.alive(os.getpid())
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)  # a zombie now
    assert not cgroups.alive(child)
    os.waitpid(child, 0)
    assert not cgroups.alive(child)


def test_mounts_below_a_folder_that_an_overlay_would_hide(tmp_path: Path) -> None:
    points = ["/", "/usr", "/usr/local", "/usr/local/go", "/usr/share/a\\040b", "/usrlocal", "/var"]
    points += ["/usr/Übung", "/usr/back\\134slash"]
    lines = [f"{n} 1 0:1 / {point} rw - ext4 x rw\n" for n, point in enumerate(points)]
    (tmp_path / "mountinfo").write_text("".join(lines))
    below = mounts.mounts_below(Path("/usr"), tmp_path / "mountinfo")
    assert {str(point) for point in below} == {
        "/usr/local",
        "/usr/share/a b",
        "/usr/Übung",
        "/usr/back\\slash",
    }


def test_waiting_names_what_it_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "first_process", lambda _: 1)
    waiting.until("nothing", lambda: True, log="x.log")
    with pytest.raises(LocalError, match=r"waited 0 s for the moon; see .*/log/moon\.log"):
        waiting.until("the moon", lambda: False, log="moon.log", seconds=0.2)


def test_waiting_for_a_node_that_dies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "first_process", lambda _: None)
    with pytest.raises(LocalError, match="local-node died while waiting for the moon: "):
        waiting.until("the moon", lambda: False, log="moon.log")


class _JoinedError(Exception):
    pass


def test_pods_can_read_what_a_node_of_a_root_with_umask_077_writes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def join(_: str) -> None:
        raise _JoinedError

    monkeypatch.setattr(cgroups, "join", join)
    before = os.umask(0o077)
    try:
        with pytest.raises(_JoinedError):
            inside.main("1", "198.18.0.0/16", "0")
    finally:
        left = os.umask(before)
    assert left == 0o022


def test_not_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(LocalError, match="needs root: run it as root or with sudo"):
        preflight.check()


def test_not_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(LocalError, match="needs Linux; this is darwin"):
        preflight.check_tools()


def test_a_tool_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda tool: None if tool == "ip" else f"/bin/{tool}")
    with pytest.raises(LocalError, match="no `ip` here: `apt-get install iproute2`"):
        preflight.check_tools()


def test_the_api_servers_address_in_use_is_named() -> None:
    """Whatever it is that listens there."""
    wanted = free_network()
    with socket.create_server((str(wanted.api), API_PORT)):
        with pytest.raises(LocalError) as refused:
            preflight.check_api_address(wanted)
        said = f"the API server cannot listen on {wanted.api}:26443 on this machine (Address alre"
        assert str(refused.value).startswith(said)
        preflight.check_api_address(free_network())
    preflight.check_api_address(wanted)


def test_a_machine_without_debian_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(LocalError, match="no `apt-get` here"):
        debs.unpacked()


def test_the_packages_that_others_need() -> None:
    listed = (
        "containerd\n  Depends: runc\n |Depends: docs\n  Depends: <virtual>\n    provider\n"
        "runc\n  Depends: libc6\nlibc6\ndocs\n  Depends: fonts\nfonts\n"
        "<virtual>\n  provider\nprovider\nnot-needed\n"
    )
    known = debs.dependencies(listed)
    needed = {"containerd", "runc", "libc6", "docs", "fonts", "provider"}
    assert debs.reached(known, ["containerd"], []) == needed
    assert debs.reached(known, ["containerd"], ["docs"]) == needed - {"docs", "fonts"}
