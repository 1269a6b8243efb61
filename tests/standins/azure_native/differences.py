"""What differs between two sets of inputs, and what has drifted."""

from enum import Enum
from typing import Any

from tests.standins.azure_native.paths import Path


class Change(Enum):
    """What happened to a value."""

    ADD = "add"
    DELETE = "delete"
    UPDATE = "update"


def changes(old: Any, new: Any, at: Path = ()) -> dict[Path, Change]:
    """Each place where two values differ; lists are compared item by item."""
    before: dict[Any, Any]
    after: dict[Any, Any]
    if isinstance(old, dict) and isinstance(new, dict):
        before, after = old, new
    elif isinstance(old, list) and isinstance(new, list):
        before, after = dict(enumerate(old)), dict(enumerate(new))
    else:
        return {} if old == new else {at: Change.UPDATE}
    found: dict[Path, Change] = {}
    for step in sorted({*before, *after}):
        if step not in before:
            found[(*at, step)] = Change.ADD
        elif step not in after:
            found[(*at, step)] = Change.DELETE
        else:
            found.update(changes(before[step], after[step], (*at, step)))
    return found


def drifted(inputs: Any, last: Any, live: Any) -> Any:
    """The inputs as they would have to read for Azure to be what it is now.

    `last` is the object as it was after our last write and `live` as it is now; where both agree
    the inputs stay as they were written, so that a default or another spelling of a quantity is no
    drift. What the inputs do not mention is not ours and stays out.
    """
    if live == last:
        return inputs
    if isinstance(inputs, dict) and isinstance(live, dict):
        before = last if isinstance(last, dict) else {}
        kept = [key for key in inputs if key in live or key not in before]
        return {key: drifted(inputs[key], before.get(key), live.get(key)) for key in kept}
    if isinstance(inputs, list) and isinstance(live, list):
        earlier = last if isinstance(last, list) else []
        known = [
            drifted(item, earlier[i] if i < len(earlier) else None, live[i])
            for i, item in enumerate(inputs[: len(live)])
        ]
        return known + live[len(inputs) :]
    return inputs if live is None else live
