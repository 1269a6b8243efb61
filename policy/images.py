"""Images say which version they are."""

from collections.abc import Iterator

from policy.rule import Options, Rule, Seen, at, items, judged, shown

_POD_SPECS = {
    "Pod": ("spec",),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
    **dict.fromkeys(
        (
            "DaemonSet",
            "Deployment",
            "Job",
            "ReplicaSet",
            "ReplicationController",
            "StatefulSet",
        ),
        ("spec", "template", "spec"),
    ),
}
"""Where each kind of workload keeps its pods' spec."""


def _kind(type_: str) -> str:
    return type_.rpartition(":")[2] if type_.startswith("kubernetes:") else ""


def _violations(workload: Seen, _: Options) -> Iterator[str]:
    spec = workload.at(*_POD_SPECS[_kind(workload.type)])
    for containers in ("initContainers", "containers"):
        for container in items(at(spec, containers)):
            image = at(container, "image")
            text = judged(image)
            if isinstance(text, str) and not is_pinned(text):
                name = shown(at(container, "name"))
                yield (
                    f"container {name} runs the image {shown(image)}, which may be another one "
                    "tomorrow: name a tag other than latest, or a digest"
                )


def is_pinned(image: str) -> bool:
    """Whether an image's name has a digest or a tag that is not `latest`."""
    name, _, digest = image.partition("@")
    # A colon before the last slash is a registry's port.
    tag = name.rpartition("/")[2].partition(":")[2]
    return bool(digest) or tag not in ("", "latest")


PINNED_IMAGES = Rule(
    name="pinned-images",
    description="Every image has a tag or a digest.",
    types=lambda type_: _kind(type_) in _POD_SPECS,
    violations=_violations,
)
