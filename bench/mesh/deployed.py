"""What a program of the mesh is started with in its pod, for a process on this machine instead."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mesh import hardening, issuing, linkerd, tls, workload
from mesh.encryption import Mounted
from mesh.workload import Memory

MEMORY = Memory()
"""Of a linkerd, by the config's defaults."""


def linkerd_container() -> Mapping[str, Any]:
    """The container of a linkerd on a node; the one beside an app is started alike."""
    return linkerd.container("linkerd", {}, MEMORY, Mounted())


def arguments(container: Mapping[str, Any], config: Path) -> list[str]:
    """The container's, with its config file where it is here."""
    return [str(config) if each == workload.CONFIG_PATH else each for each in container["args"]]


def environment(container: Mapping[str, Any], address: str, tmp: Path) -> dict[str, str]:
    """The container's, in the pod of an address, with a folder of its own in place of its /tmp."""
    pod = {"status.podIP": address, "spec.nodeName": address.rpartition(".")[0]}
    found = {}
    for each in container["env"]:
        source = each.get("valueFrom")
        value = pod[source["fieldRef"]["fieldPath"]] if source else each["value"]
        found[each["name"]] = value.replace(f"{hardening.TMP}/", f"{tmp}/", 1)
    return found


def with_certificates(config: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """A config file's content that finds the files of TLS in a folder here."""
    text = json.dumps(config).replace(f'"{tls.FOLDER}/', f'"{folder}/')
    found: dict[str, Any] = json.loads(text)
    return found


def issue(folder: Path) -> None:
    """Write an authority and a certificate as the program issues them, for a day."""
    now = datetime.now(UTC)
    authority = issuing.authority(1, now)
    certificate, key = issuing.leaf(authority, 1, now)
    files = {tls.AUTHORITIES: authority[0], tls.CERTIFICATE: certificate, tls.KEY: key}
    for name, text in files.items():
        (folder / name).write_text(text)
