"""How a deployment ended, as a file that another job of the pipeline reads."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from canary import exits, figures, github
from canary.errors import CanaryError
from canary.markdown import bold, code, table

VERSION = 1


@dataclass(frozen=True)
class Rollout:
    """One split whose weight was to rise."""

    service: str
    canary: str
    before: float
    """Percent that was in force."""
    wanted: float
    """Percent of the config."""
    commit: str
    """That raised it; empty where it is not known."""
    in_force: float | None
    """None where it is not known, while the rollout is under way."""
    code: int | None = None
    """The exit code of the rollout; None where it was not begun, or came to no end."""
    said: str = ""
    """How it ended, in a sentence or two."""

    @property
    def is_done(self) -> bool:
        """Whether the config is in force."""
        return self.code == exits.DONE


@dataclass(frozen=True)
class Outcome:
    """A deployment."""

    settings: str = ""
    """The file of the stack's settings, where a weight was to rise."""
    rollouts: tuple[Rollout, ...] = ()
    code: int | None = None
    """The exit code; None where it came to no end."""
    error: str = ""
    weights: Mapping[str, float] = field(default_factory=dict)
    """Percents of the config, of each canary beside one other version."""

    @property
    def open_rollouts(self) -> list[Rollout]:
        """Those by which Git does not say what is in force."""
        return [] if self.is_of_update else [each for each in self.rollouts if not each.is_done]

    @property
    def is_of_update(self) -> bool:
        """Whether the update failed, before any rollout was begun."""
        return bool(self.error) and all(each.code is None for each in self.rollouts)


class Record:
    """The outcome so far. It is written at each change: the process may be killed."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.outcome = Outcome()

    def begin(
        self, settings: str, rollouts: tuple[Rollout, ...], weights: Mapping[str, float]
    ) -> None:
        """What is to be rolled out. Raises CanaryError."""
        found = replace(self.outcome, settings=settings, rollouts=rollouts, weights=dict(weights))
        self._take(found)

    def rolled_out(self, number: int, **changes: Any) -> None:
        """How one of the rollouts ended. Raises CanaryError."""
        found = list(self.outcome.rollouts)
        found[number] = replace(found[number], **changes)
        self._take(replace(self.outcome, rollouts=tuple(found)))

    def end(self, code: int, error: str = "") -> None:
        """How the deployment ended, for the job's summary too. Raises CanaryError."""
        self._take(replace(self.outcome, code=code, error=error))
        github.add_to_summary(document(self.outcome))

    def _take(self, outcome: Outcome) -> None:
        self.outcome = outcome
        if self._path is None:
            return
        try:
            found = {"deployment": VERSION, **asdict(outcome)}
            new = self._path.with_name(f".{self._path.name}.new")
            new.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
            new.replace(self._path)
        except OSError as error:
            raise CanaryError(f"{self._path}: {error.strerror}") from None


def read(path: Path) -> Outcome:
    """What a deployment has left. Raises CanaryError."""
    try:
        return _read(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise CanaryError(f"{path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CanaryError(f"{path} is no outcome of a deployment: {error!r}") from None


def _read(given: Mapping[str, Any]) -> Outcome:
    if given.get("deployment") != VERSION:
        raise ValueError(f"its format is {given.get('deployment')}, not {VERSION}")
    rollouts = tuple(Rollout(**each) for each in given["rollouts"])
    weights = {str(name): float(percent) for name, percent in given["weights"].items()}
    return Outcome(given["settings"], rollouts, given["code"], given["error"], weights)


def document(outcome: Outcome) -> str:
    """The outcome as Markdown, ending with a new line; empty where there is nothing to say."""
    parts = []
    if outcome.error and not any(each.said == outcome.error for each in outcome.rollouts):
        parts.append(f"{bold('The deployment failed:')} {code(outcome.error)}")
    if outcome.rollouts:
        parts += [rows(outcome.rollouts), *sentences(outcome.rollouts)]
    return "### Deployment\n\n" + "\n\n".join(parts) + "\n" if parts else ""


def rows(rollouts: tuple[Rollout, ...] | list[Rollout]) -> str:
    """The weights of each, as a table."""
    return table(
        ("version", "before", "config", "in force"),
        [(code(each.canary), *_weights(each)) for each in rollouts],
    )


def sentences(rollouts: tuple[Rollout, ...] | list[Rollout]) -> list[str]:
    """How each ended."""
    return [code(each.said or _not_told(each), 1000) for each in rollouts]


def _weights(rollout: Rollout) -> list[str]:
    found = (rollout.before, rollout.wanted, rollout.in_force)
    return ["not known" if each is None else figures.percent(each) for each in found]


def _not_told(rollout: Rollout) -> str:
    return f"The rollout of {rollout.canary} did not come to its end, or was not begun."
