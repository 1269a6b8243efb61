"""Where a value is in an object, as a tuple here and as text for the engine."""

import re
from typing import Any

Path = tuple[str | int, ...]
"""`("spec", "ports", 0, "port")` is `spec.ports[0].port`."""

_STEP = re.compile(
    r'\.?(?:(?P<name>[^.\[\]"]+)|\[(?P<index>\d+)\]|\["(?P<quoted>(?:\\.|[^"\\])*)"\])'
)


def written(path: Path) -> str:
    """The path as the engine writes it: `spec.ports[0].port`, `metadata.labels["a.b/c"]`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif step and all(char.isalnum() or char in "_-" for char in step):
            text += f".{step}" if text else step
        else:
            quoted = step.replace("\\", "\\\\").replace('"', '\\"')
            text += f'["{quoted}"]'
    return text


def parsed(text: str) -> Path | None:
    """The path that the engine wrote; None for one with a wildcard."""
    steps: list[str | int] = []
    at = 0
    while at < len(text):
        step = _STEP.match(text, at)
        if step is None or step["name"] == "*":
            return None
        if step["index"] is not None:
            steps.append(int(step["index"]))
        else:
            steps.append(step["name"] or re.sub(r"\\(.)", r"\1", step["quoted"] or ""))
        at = step.end()
    return tuple(steps)


def with_value_of(value: Any, source: Any, path: Path) -> Any:
    """A copy of a value that has at a path what `source` has there, or nothing where it has none.

    Where `value` does not reach as far as the path goes it stays as it is.
    """
    if not path:
        return source
    step, rest = path[0], path[1:]
    if isinstance(value, dict) and isinstance(step, str):
        theirs = source.get(step) if isinstance(source, dict) else None
        kept = {key: v for key, v in value.items() if key != step}
        changed = with_value_of(value.get(step), theirs, rest)
        return kept if changed is None else {**kept, step: changed}
    if isinstance(value, list) and isinstance(step, int) and step < len(value):
        theirs = source[step] if isinstance(source, list) and step < len(source) else None
        changed = with_value_of(value[step], theirs, rest)
        return value if changed is None else [*value[:step], changed, *value[step + 1 :]]
    return value
