"""What the last update left in the stack's state: its tables, and how to reach their cluster."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from canary.changes import DTAB
from canary.errors import CanaryError
from dynamic import inputs
from dynamic.inputs import Linkerds, Target

_SIGNATURE = "4dabf18193072939515e22adb298388d"
"""The key by which the engine knows an object that stands for a secret or an asset."""

SHOW = ("stack", "export", "--show-secrets")


class NoTablesError(CanaryError):
    """The state has no table that these commands know: the next `pulumi up` makes it."""


@dataclass(frozen=True)
class DeployedTable:
    """A table as the last update wrote it."""

    urn: str
    namespace: str
    """Its dtab namespace: `internal`."""
    splits: Mapping[str, Mapping[str, float]]
    baseline: Mapping[str, str]
    dtab: str
    """Its canonical text."""
    claim: str
    """What the table's object says while it is this resource's; see dynamic/marks.py."""
    target: Target
    linkerds: Linkerds


@dataclass(frozen=True)
class Deployed:
    """The state of a stack."""

    project: str
    stack: str
    tables: tuple[DeployedTable, ...]

    @property
    def settings(self) -> str:
        """The file of the stack's settings."""
        return f"Pulumi.{self.stack}.yaml"


def read(text: str) -> Deployed:
    """The state that `pulumi stack export --show-secrets` prints. Raises CanaryError.

    Where there is no table, or one of an earlier release, it is a NoTablesError.
    """
    try:
        deployment = json.loads(text)["deployment"]
        resources = deployment.get("resources") or []
        found = [each for each in resources if each["type"] == DTAB and not each.get("delete")]
        tables = tuple(_table(each) for each in found)
        stack, project = _names(resources)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CanaryError(
            f"the stack's state has an unknown form: {type(error).__name__} at {error}"
        ) from None
    if not tables:
        raise NoTablesError("the stack has no routing table yet: run `pulumi up` first")
    return Deployed(project, stack, tables)


def _names(resources: list[Mapping[str, Any]]) -> tuple[str, str]:
    """The names of stack and project, which every resource's URN holds."""
    parts = resources[0]["urn"].split("::") if resources else ["urn:pulumi:", ""]
    return parts[0].removeprefix("urn:pulumi:"), parts[1]


def _table(resource: Mapping[str, Any]) -> DeployedTable:
    outputs = _plain(resource["outputs"])
    target, linkerds = inputs.target_of(outputs), inputs.linkerds_of(outputs)
    if target.service is None or linkerds is None:
        raise NoTablesError(
            f"the table {outputs['namespace']!r} is of an earlier release: run `pulumi up` first"
        )
    return DeployedTable(
        urn=resource["urn"],
        namespace=outputs["namespace"],
        splits=inputs.weights_of(outputs),
        baseline=outputs.get("baseline") or {},
        dtab=outputs.get("dtab") or "",
        claim=outputs.get("claim") or "",
        target=target,
        linkerds=linkerds,
    )


def _plain(value: Any) -> Any:
    """A value of the state without the wrapping of secrets."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    if _SIGNATURE in value and "plaintext" in value:
        return _plain(json.loads(value["plaintext"]))
    return {key: _plain(each) for key, each in value.items()}
