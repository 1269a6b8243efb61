"""The node's own programs, built once from their pinned Go modules (local/build/)."""

import re
from pathlib import Path

from local.cache import built, go_build
from local.paths import ROOT

BUILD = ROOT / "local" / "build"

KUBE_LINKS = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "kubeadm",
    "kubelet",
    "load-balancer",
)
"""The names by which the multi-call `kube` is each of the node's programs."""


def module_version(module: Path, dependency: str) -> str:
    """The version of a dependency that a module's go.mod pins, such as v1.34.4."""
    found = re.search(
        rf"^(?:require )?\s*{re.escape(dependency)} (v\S+)", (module / "go.mod").read_text(), re.M
    )
    if found is None:
        raise ValueError(f"{module}/go.mod does not require {dependency}")
    return found[1]


KUBERNETES_VERSION = module_version(BUILD / "kube", "k8s.io/kubernetes")
COREDNS_VERSION = module_version(BUILD / "coredns", "github.com/coredns/coredns")


def kube() -> Path:
    """The folder with Kubernetes: etcd and every component by name, and `kubectl`.

    All but kubectl are links to one binary. kubectl is a file of its own: it is what people and
    pods start often, and by itself it takes half the memory.
    """
    programs = go_build(
        "kube",
        BUILD / "kube",
        ["./cmd/kube", "k8s.io/kubernetes/cmd/kubectl"],
        defines=version_stamps(KUBERNETES_VERSION),
    )

    def link(folder: Path) -> None:
        for program in programs.iterdir():
            (folder / program.name).hardlink_to(program)
        for name in KUBE_LINKS:
            (folder / name).symlink_to("kube")

    return built("kubernetes", [programs.name, *KUBE_LINKS], link)


def version_stamps(version: str) -> dict[str, str]:
    """What Kubernetes' own build sets at link time; without it every component is v0.0.0."""
    major, minor, _ = version.removeprefix("v").split(".")
    values = {
        "gitVersion": version,
        "gitMajor": major,
        "gitMinor": minor,
        "gitTreeState": "clean",
        "gitCommit": "go-module",
        "buildDate": "1970-01-01T00:00:00Z",
    }
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return {f"{package}.{name}": value for package in packages for name, value in values.items()}


def coredns() -> Path:
    """The CoreDNS program."""
    return go_build("coredns", BUILD / "coredns", ["."]) / "coredns"


def image_tool() -> Path:
    """The program that builds and pulls image archives (local/build/image/main.go)."""
    return go_build("image", BUILD / "image", ["."]) / "image"


def pause() -> Path:
    """The program that holds each pod's namespaces (local/build/image/pause/)."""
    return go_build("pause", BUILD / "image", ["./pause"]) / "pause"
