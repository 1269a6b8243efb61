"""The stack's updates, by which it is told who moved the weights, and what is not deployed yet."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from canary.errors import CanaryError
from canary.stack import configured
from canary.stack.configured import Values
from canary.stack.split import Split, Weights

SHOW = ("stack", "history", "--json", "--page-size", "50")

MESSAGE = "canary"
"""The first word of the messages of updates that these commands run."""

_TARGET = "pulumi.flag.target"
"""The engine notes which flags an update was run with."""


@dataclass(frozen=True)
class Update:
    """One update of the stack."""

    number: int
    """0 where the backend does not number updates."""
    began: datetime
    ended: datetime
    result: str
    """succeeded, failed or in-progress."""
    message: str
    environment: Mapping[str, str] = field(repr=False)
    values: Values = field(repr=False)

    @property
    def by(self) -> str:
        """Who ran it: by its message where it is ours, else whose commit it ran from."""
        if self.message.startswith(f"{MESSAGE} "):
            return self.message
        author = self.environment.get("git.author") or "author not known"
        commit = self.environment.get("git.head", "")[:7]
        system = self.environment.get("ci.system", "")
        where = f" in {system}" if system else ""
        return f"{author}{where}" + (f", commit {commit}" if commit else "")

    @property
    def is_targeted(self) -> bool:
        """Whether it brought only a part of the stack to its config."""
        return _TARGET in self.environment


def read(text: str, project: str) -> list[Update]:
    """The updates that `pulumi stack history --json` prints, the last one first."""
    try:
        return list(_updates(json.loads(text) or [], project))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CanaryError(
            f"the stack's history has an unknown form: {type(error).__name__} at {error}"
        ) from None


def _updates(found: list[Mapping[str, Any]], project: str) -> Iterator[Update]:
    for each in found:
        if each["kind"] == "update":
            yield Update(
                number=int(each.get("version") or 0),
                began=datetime.fromisoformat(each["startTime"]),
                ended=datetime.fromisoformat(each.get("endTime") or each["startTime"]),
                result=str(each.get("result") or ""),
                message=str(each.get("message") or ""),
                environment=each.get("environment") or {},
                values=configured.read(json.dumps(each.get("config") or {}), project),
            )


def of_weights(updates: list[Update], split: Split) -> Update | None:
    """The update that gave the split the weights that it was last updated to."""
    done = [each for each in updates if each.result == "succeeded"]
    if not done:
        return None
    last = done[0]
    wanted = _weights(last, split)
    for former in done[1:]:
        if _weights(former, split) != wanted:
            break
        last = former
    return last


def not_deployed(updates: list[Update], values: Values) -> list[str]:
    """The config keys that no update of the whole stack has brought about, sorted.

    Without those that move weights.
    """
    last = next((u for u in updates if u.result == "succeeded" and not u.is_targeted), None)
    if last is None:
        return []
    # A secret's value is not in the history.
    keys = (values.texts.keys() | last.values.texts.keys()) - values.secret - last.values.secret
    return sorted(
        key
        for key in keys
        if values.texts.get(key) != last.values.texts.get(key)
        and key not in (configured.CANARY_WEIGHT, configured.SERVICES)
    )


def _weights(update: Update, split: Split) -> Weights | None:
    try:
        return configured.weights(update.values, split)
    except CanaryError:
        return None
