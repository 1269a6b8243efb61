"""The versions that the builds of local/build pin: one of each, so that packages compile once."""

import re

from local.binaries import BUILD, PULUMI

OF_ITS_OWN = {f"{PULUMI}/pkg/v3", f"{PULUMI}/sdk/v3"}
"""What the kubernetes plugin and the language host need an older release of."""


def pinned(folder: str) -> dict[str, str]:
    """What a go.mod selects: the version of each module, after its replacements."""
    text = (BUILD / folder / "go.mod").read_text()
    required, _, replaced = text.partition("\nreplace (")
    versions: dict[str, str] = dict(
        re.findall(r"^(?:require )?\t?(\S+\.\S+) (v\S+)", required, re.M)
    )
    chosen: dict[str, str] = dict(re.findall(r"^\t(\S+) => \S+ (v\S+)", replaced, re.M))
    return {module: chosen.get(module, version) for module, version in versions.items()}


def test_all_builds_take_the_same_versions() -> None:
    first = pinned(".")
    for build in ("kubernetes-plugin", "language-python", "network-policies"):
        other = pinned(build)
        shared = (first.keys() & other.keys()) - OF_ITS_OWN
        assert len(shared) > 20, "these builds have much in common"
        assert {m: other[m] for m in shared} == {m: first[m] for m in shared}
