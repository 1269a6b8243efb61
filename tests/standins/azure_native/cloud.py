"""The Azure that the plugin talks to: a folder that a test owns.

cloud.json     what exists, by resource id; a test may change it, as somebody else would
faults.json    what goes wrong next, a list of {"type", "on", "fault"}; each happens once
requests.jsonl what was asked of Azure, one request a line: {"verb", "id", "body"}
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.standins.azure_native.errors import ArmError, ProvisioningError

FOLDER = "AZURE_STANDIN"
KUBECONFIG = "AZURE_STANDIN_KUBECONFIG"
"""Environment variables: the folder, and the file with the administrator's kubeconfig of the
Kubernetes that a cluster made from now on gets."""

Object = dict[str, Any]

FAULTS: Mapping[str, ArmError] = {
    "in progress": ArmError(
        409,
        "OperationNotAllowed",
        "Operation is not allowed: Another operation is in progress. Please wait for it to finish "
        "before starting a new operation.",
    ),
    "throttled": ArmError(
        429,
        "TooManyRequests",
        "The request is being throttled as the limit has been reached for operation type - "
        "ListManagedClusters. Try again in 300 seconds.",
    ),
    "quota": ArmError(
        400,
        "ErrCode_InsufficientVCPUQuota",
        "Insufficient regional vcpu quota left for location westeurope. left regional vcpu quota "
        "2, requested quota 6.",
    ),
    "forbidden": ArmError(
        403,
        "AuthorizationFailed",
        "The client does not have authorization to perform this action over the scope or the scope "
        "is invalid.",
    ),
    "provisioning": ProvisioningError(
        200,
        "ControlPlaneAddOnsNotReady",
        "Pods not in Running status: coredns-autoscaler-5655d66f64-abcde.",
    ),
}
"""In Azure's manner: https://learn.microsoft.com/troubleshoot/azure/azure-kubernetes/."""


@dataclass(frozen=True)
class Cloud:
    """The folder."""

    folder: Path

    @classmethod
    def of_environment(cls) -> "Cloud":
        """The cloud that the plugin's environment names."""
        return cls(Path(os.environ[FOLDER]))

    @property
    def resources(self) -> dict[str, Object]:
        """What exists, by id."""
        found: dict[str, Object] = self._read("cloud.json", {})
        return found

    @contextmanager
    def changing(self) -> Iterator[dict[str, Object]]:
        """What exists, to be changed by one at a time; kept also where the block fails."""
        with self._locked():
            found = self.resources
            try:
                yield found
            finally:
                self._write("cloud.json", found)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _read(self, name: str, empty: Any) -> Any:
        file = self.folder / name
        return json.loads(file.read_text()) if file.exists() else empty

    def _write(self, name: str, content: Any) -> None:
        """Replace a file as a whole: others read it meanwhile."""
        new = self.folder / f"{name}.new"
        new.write_text(json.dumps(content, indent=1, sort_keys=True))
        new.replace(self.folder / name)

    def kubeconfig_of(self, id_: str) -> Path:
        """The file with a cluster's kubeconfig: the one that was given when it was made."""
        with self._locked():
            known: dict[str, str] = self._read("clusters.json", {})
            if id_ not in known:
                known[id_] = os.environ[KUBECONFIG]
                self._write("clusters.json", known)
        return Path(known[id_])

    def note(self, verb: str, id_: str, body: Object | None = None) -> None:
        """Write down a request."""
        with self._locked(), (self.folder / "requests.jsonl").open("a") as log:
            log.write(json.dumps({"verb": verb, "id": id_, "body": body}) + "\n")

    def fault(self, type_: str, on: str) -> ArmError | None:
        """What goes wrong with this request, taken off the list."""
        planned = self._read("faults.json", [])
        for i, each in enumerate(planned):
            if (each["type"], each["on"]) == (type_, on):
                self._write("faults.json", planned[:i] + planned[i + 1 :])
                return FAULTS[each["fault"]]
        return None
