"""The check of a resource's inputs: what the program left out is filled in, what cannot be is said.

Nothing here asks the cluster.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from local.standins.kubernetes import objects, wait_for
from local.standins.kubernetes.errors import PluginError
from local.standins.kubernetes.values import Object, has_unknown


class Autonaming(Enum):
    """What the engine's configuration says of names that the program leaves out."""

    DEFAULT = "default"
    PROPOSED = "proposed"
    DISABLED = "disabled"


@dataclass(frozen=True)
class Naming:
    """How a resource without a name of its own is named."""

    mode: Autonaming = Autonaming.DEFAULT
    proposed: str = ""
    seed: bytes = b""
    """The engine's, the same in a preview and in the update after it."""

    def name(self, base: str) -> str:
        """`base` and eight hex digits, unless the engine proposes another."""
        if self.mode is Autonaming.PROPOSED:
            return self.proposed
        return f"{base}-{self.seed.hex()[:8]}"


def checked(
    urn: str, old: Object, new: Object, naming: Naming, namespace_for: Callable[[Object], str]
) -> tuple[Object, dict[str, str]]:
    """The inputs to go on with, and for each property that cannot be used the reason.

    `namespace_for` tells where an object goes that names no namespace, empty for nowhere.
    """
    type_ = objects.type_of(urn)
    refused = objects.unsupported(type_)
    if refused:
        return new, {"": refused}
    if not isinstance(new.get("metadata", {}), dict):
        return new, {"metadata": "metadata is an object with a name, labels, annotations …"}
    inputs = objects.with_kind(new, type_)
    if not objects.metadata(inputs).get("name"):
        if naming.mode is Autonaming.DISABLED and not objects.is_true(old, objects.AUTONAMED):
            return inputs, {"metadata.name": "autonaming is disabled: give the object a name"}
        inputs = _named(inputs, old, naming, objects.name_in(urn))
    if not objects.metadata(inputs).get("namespace"):
        inputs = objects.in_namespace(inputs, namespace_for(inputs))
    return inputs, _failures(inputs)


def _named(inputs: Object, old: Object, naming: Naming, resource_name: str) -> Object:
    """The inputs with the name that they had, if it was not chosen by the program, or a new one."""
    metadata = objects.metadata(inputs)
    if objects.is_true(old, objects.AUTONAMED):
        name = objects.name_of(old)
    else:
        base = str(metadata.get("generateName") or resource_name).rstrip("-")
        name = naming.name(base)
    annotations = {**(metadata.get("annotations") or {}), objects.AUTONAMED: "true"}
    return {**inputs, "metadata": {**metadata, "name": name, "annotations": annotations}}


def _failures(inputs: Object) -> dict[str, str]:
    bad_name = objects.bad_name(inputs)
    if bad_name:
        return {"metadata.name": bad_name}
    if objects.annotation(inputs, wait_for.ANNOTATION) and not has_unknown(inputs):
        try:
            wait_for.check(inputs)
        except PluginError as error:
            return {"metadata.annotations": str(error)}
    return {}
