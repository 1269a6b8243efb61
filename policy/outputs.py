"""A stack's outputs hold no credentials in plain sight."""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from policy.rule import Options, Seen, StackRule

_NAME = re.compile(
    r"(kube_?config|password|passphrase|token|secret"
    r"|(private|client|access|account|ssh|api)_?key|connection_?string)s?$",
    re.IGNORECASE,
)
"""What a credential is called, at the end of an output's name or of a key in it."""

_CONTENT = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|\b(client-key-data|client-certificate-data|AccountKey|SharedAccessKey)\b"
    r"|\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"  # a JSON web token
)
_KUBECONFIG = re.compile(r"^\W*apiVersion\b.*\bkind\W+Config\b|\bkind\W+Config\b", re.DOTALL)


def _violations(stack: Sequence[Seen], _: Options) -> Iterator[tuple[Seen, str]]:
    for root in stack:
        if root.type != "pulumi:pulumi:Stack":
            continue
        for name, value in root.properties.items():
            what = _credential(name, value)
            if what:
                line = (
                    f"output {name!r} shows {what} to everyone who may read the stack: wrap it in "
                    "pulumi.Output.secret(…), or do not export it"
                )
                yield root, line


def _credential(name: str, value: Any) -> str | None:
    """What an output gives away, or None; a Secret gives nothing away."""
    if isinstance(value, Mapping):
        if {"clusters", "users"} <= set(value):
            return "a kubeconfig"
        return next(filter(None, (_credential(*item) for item in value.items())), None)
    if isinstance(value, list):
        return next(filter(None, (_credential(name, each) for each in value)), None)
    if not isinstance(value, str) or not value:
        return None
    content = _in_text(value) or _in_text(_decoded(value))
    return content or ("what its name calls a credential" if _NAME.search(name) else None)


def _in_text(text: str) -> str | None:
    if _CONTENT.search(text):
        return "a key or token"
    return "a kubeconfig" if _KUBECONFIG.search(text) and "clusters" in text else None


def _decoded(text: str) -> str:
    """The text that base64 stands for, as Azure gives kubeconfigs; "" where it is none."""
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""


SECRET_OUTPUTS = StackRule(
    name="secret-outputs",
    description="A kubeconfig, key or token is no plain output.",
    violations=_violations,
)
