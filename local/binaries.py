"""The programs built once from pinned Go modules (local/build/): Kubernetes, Pulumi, CoreDNS.

Most are built by one go.mod, so that a package that several of them import is compiled once. The
kubernetes plugin and the language host need older releases of Pulumi's own modules; the policy
engine has its own go.mod so that another release of it builds nothing else anew. The other versions
in theirs are those of the first.
"""

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from local.cache import built, go_build, go_env, run
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


KUBERNETES_VERSION = module_version(BUILD, "k8s.io/kubernetes")
COREDNS_VERSION = module_version(BUILD, "github.com/coredns/coredns")

PULUMI = "github.com/pulumi/pulumi"
ENGINE_VERSION = module_version(BUILD, f"{PULUMI}/pkg/v3")

PLUGIN = "github.com/pulumi/pulumi-kubernetes/provider/v4"
_PLUGIN_BUILD = BUILD / "kubernetes-plugin"
PLUGIN_MODULE_VERSION = module_version(_PLUGIN_BUILD, PLUGIN)
"""Of the kubernetes plugin's module; no release is published as a Go module."""
PLUGIN_BUILD_MARK = "built-from"
"""A file in the folder of a plugin that was built here: the name of the build."""

PLUGIN_VERSION = "v4.34.2"
"""The release of pulumi-kubernetes in requirements.txt, and so the plugin that the engine wants."""


def _build(
    name: str,
    packages: Sequence[str],
    folders: Sequence[str] = (),
    defines: Mapping[str, str] | None = None,
) -> Path:
    """Build packages of the one module; `folders` of it are their sources here."""
    sources = [BUILD / folder for folder in folders]
    return go_build(name, BUILD, packages, defines=defines, sources=sources)


def pulumi() -> Path:
    """The folder of Pulumi's CLI and engine, `pulumi`."""
    stamp = {f"{PULUMI}/sdk/v3/go/common/version.Version": ENGINE_VERSION}
    return _build("pulumi", [f"{PULUMI}/pkg/v3/cmd/pulumi"], defines=stamp)


def kubernetes_plugin() -> Path:
    """The folder of Pulumi's own kubernetes plugin, as `pulumi plugin install --file` takes it."""
    program = go_build(
        "kubernetes-plugin",
        _PLUGIN_BUILD,
        ["."],
        # The engine warns of any version older than the SDK's.
        defines={f"{PLUGIN}/pkg/version.Version": PLUGIN_VERSION.removeprefix("v")},
        sources=[_PLUGIN_BUILD, BUILD / "kubernetes-sdk"],
    )

    def assemble(folder: Path) -> None:
        (folder / "pulumi-resource-kubernetes").hardlink_to(program / "kubernetes-plugin")
        # Pulumi's own build embeds it; the module has it as a file.
        source = module_folder(PLUGIN, _PLUGIN_BUILD) / "cmd" / "pulumi-resource-kubernetes"
        shutil.copyfile(source / "schema.json", folder / "schema.json")
        (folder / PLUGIN_BUILD_MARK).write_text(program.name)

    return built("pulumi-resource-kubernetes", [program.name, PLUGIN_BUILD_MARK], assemble)


def module_folder(module: str, build: Path = BUILD) -> Path:
    """The folder with the source of a module that a build uses, downloaded where it is missing."""
    found = json.loads(run(["go", "mod", "download", "-json", module], cwd=build, **go_env()))
    return Path(found["Dir"])


def language_host() -> Path:
    """The folder of Pulumi's host of Python programs, `pulumi-language-python`."""
    package = f"{PULUMI}/sdk/v3/python/cmd/pulumi-language-python"
    return go_build("pulumi-language-python", BUILD / "language-python", [package])


def kube() -> Path:
    """The folder with Kubernetes: etcd and every component by name, and `kubectl`.

    All but kubectl are links to one binary. kubectl is a file of its own: it is what people and
    pods start often, and by itself it takes half the memory.
    """
    programs = _build(
        "kube",
        ["./kube/cmd/kube", "k8s.io/kubernetes/cmd/kubectl"],
        ["kube"],
        version_stamps(KUBERNETES_VERSION),
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
    return _build("coredns", ["./coredns"], ["coredns"]) / "coredns"


def network_policies() -> Path:
    """The program that enforces a node's NetworkPolicies (local/build/network-policies/main.go)."""
    name = "network-policies"
    return go_build(name, BUILD / name, ["."]) / name


def image_tool() -> Path:
    """The program that builds and pulls image archives (local/build/image/main.go)."""
    return _build("image", ["./image"], ["image"]) / "image"


def pause() -> Path:
    """The program that holds each pod's namespaces (local/build/image/pause/)."""
    return _build("pause", ["./image/pause"], ["image/pause"]) / "pause"


NODE = (kube, coredns, pause, image_tool, network_policies)
"""What a node runs, and what makes its images."""
