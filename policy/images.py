"""Images say which version they are."""

from collections.abc import Iterator

from policy.rule import Options, Rule, Seen, at, judged, shown
from policy.workloads import containers, is_workload, pod_spec


def _violations(workload: Seen, _: Options) -> Iterator[str]:
    for container in containers(pod_spec(workload)):
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
    types=is_workload,
    violations=_violations,
)
