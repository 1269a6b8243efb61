"""The annotation `pulumi.com/waitFor`: a condition of the program's own for when it is ready.

    condition=Ready            that condition of `.status.conditions` is True
    condition=Ready=False      … has that status
    jsonpath={.status.phase}=Running
    jsonpath={.status.ingress[0].ip}    it is there at all

or a JSON list of such. Of JSONPath it takes names and indexes; filters and wildcards it refuses.
"""

import json
import re
from collections.abc import Callable

from local.standins.kubernetes import objects, paths
from local.standins.kubernetes.errors import PluginError
from local.standins.kubernetes.paths import value_at
from local.standins.kubernetes.values import Object

ANNOTATION = "pulumi.com/waitFor"

_JSONPATH = re.compile(r"\{?\.?(?P<path>[^{}=]+)\}?(?:=(?P<value>.*))?")

Test = Callable[[Object], bool]


def missing(obj: Object) -> str | None:
    """Which of the object's own conditions is not met yet, or None."""
    return next((text for text, test in _conditions(obj) if not test(obj)), None)


def check(obj: Object) -> None:
    """Raise PluginError where the annotation cannot be understood."""
    _conditions(obj)


def _conditions(obj: Object) -> list[tuple[str, Test]]:
    annotation = objects.annotation(obj, ANNOTATION)
    try:
        listed = json.loads(annotation)
    except ValueError:
        listed = annotation
    expressions = listed if isinstance(listed, list) else [annotation]
    return [(f"waiting for {expression}", _test(str(expression))) for expression in expressions]


def _test(expression: str) -> Test:
    kind, _, rest = expression.partition("=")
    if kind == "condition" and rest:
        return _condition(rest)
    if kind == "jsonpath" and rest:
        return _jsonpath(rest)
    raise PluginError(
        f"{ANNOTATION}: {expression!r} is neither condition=NAME[=STATUS] nor jsonpath={{.path}}"
        "[=VALUE]"
    )


def _condition(text: str) -> Test:
    type_, _, status = text.partition("=")

    def test(obj: Object) -> bool:
        listed: list[Object] = value_at(obj, ("status", "conditions")) or []
        return any(
            str(c.get("type")).lower() == type_.lower() and c.get("status") == (status or "True")
            for c in listed
        )

    return test


def _jsonpath(text: str) -> Test:
    found = _JSONPATH.fullmatch(text)
    path = paths.parsed(found["path"]) if found else None
    if found is None or path is None:
        raise PluginError(
            f"{ANNOTATION}: {text!r} is more JSONPath than this stand-in of the kubernetes plugin "
            "reads; it takes names and indexes, such as {.status.ingress[0].ip}"
        )
    wanted = found["value"]

    def test(obj: Object) -> bool:
        value = value_at(obj, path)
        if wanted is None:
            return value is not None
        shown = value if isinstance(value, str) else json.dumps(value)
        return value is not None and shown == wanted

    return test
