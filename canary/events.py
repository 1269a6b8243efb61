"""The engine's log of a preview or refresh, as `--event-log FILE` writes it: one event a line.

The events are those of the engine's public API (apitype.EngineEvent), which the Automation API
reads as well. Secrets are already left out of them: their values read `[secret]`.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from canary.errors import CanaryError

Inputs = Mapping[str, Any]

HOW = "PULUMI_DEBUG_COMMANDS=true pulumi preview --refresh --event-log FILE"
"""How such a log is had; without the variable the CLI does not know the flag."""

_COLOURS = re.compile(r"<\{%.*?%\}>|\x1b\[[0-9;]*m")
_FAILED = "preview failed"
"""What the engine says at the end of each failed preview, beside the reasons."""

_REPLACING = ("replace", "create-replacement", "delete-replaced")


@dataclass(frozen=True)
class Step:
    """What happens, or would happen, to one resource."""

    urn: str
    op: str
    """create, update, replace, delete, same, read, …; or, of a refresh, `refresh`."""
    old: Inputs | None
    """Inputs before; None where there is no such resource yet."""
    new: Inputs | None
    """Inputs after; None where it is gone then."""
    keys: tuple[str, ...] = ()
    """The inputs for whose sake it is replaced."""
    paths: tuple[str, ...] = ()
    """What the provider says changes, if it says so."""

    @property
    def type(self) -> str:
        """The resource's type, without its parents'."""
        return self.urn.split("::")[2].rpartition("$")[2]

    @property
    def name(self) -> str:
        """The resource's name in the program."""
        return _name(self.urn)


@dataclass(frozen=True)
class Violation:
    """What a policy has against a resource."""

    rule: str
    level: str
    """mandatory, which stops an update, or advisory."""
    name: str
    """The resource's name in the program."""
    message: str


@dataclass
class Preview:
    """What a preview found."""

    stack: str = ""
    """Empty where the log ends before any resource is named."""
    refreshed: dict[str, Step] = field(default_factory=dict)
    """By URN: the state's inputs, and those that the live object amounts to."""
    steps: dict[str, Step] = field(default_factory=dict)
    """By URN: what the program changes."""
    packs: dict[str, str] = field(default_factory=dict)
    """The versions of the policy packs that ran, by name."""
    rules: set[str] = field(default_factory=set)
    """The policies that looked at something."""
    violations: list[Violation] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    ended: bool = False
    """Whether it came to its end, good or bad."""
    failed: bool = False

    @property
    def succeeded(self) -> bool:
        """Whether it looked at everything there is."""
        return self.ended and not self.failed


def read(text: str, where: str) -> Preview:
    """The preview that a log tells of; an empty one is of a preview that never began.

    Raises CanaryError, naming `where`, for anything else than a log. A last line that is cut short
    is left out, as when the engine was killed.
    """
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    preview, refreshing = Preview(), set[str]()
    try:
        for event in _events(lines, where):
            _take(preview, refreshing, event)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise CanaryError(
            f"{where} holds an event of an unknown form: {type(error).__name__} at {error}; "
            "known are those of Pulumi 3.259"
        ) from None
    return preview


def _events(lines: list[tuple[int, str]], where: str) -> Iterable[Mapping[str, Any]]:
    for number, line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            if number == lines[-1][0] and number > 1:
                return
            event = None
        if not isinstance(event, dict) or "sequence" not in event:
            raise CanaryError(
                f"{where}, line {number}, is no engine event: give the log of `{HOW}`, not what "
                "--json prints"
            )
        yield event


def _take(preview: Preview, refreshing: set[str], event: Mapping[str, Any]) -> None:
    for kind in ("resourcePreEvent", "resOutputsEvent"):
        if kind in event:
            _take_step(preview, refreshing, event[kind]["metadata"], kind == "resourcePreEvent")
    if policy := event.get("policyEvent"):
        preview.violations.append(_violation(policy))
    for kind in ("policyAnalyzeSummaryEvent", "policyAnalyzeStackSummaryEvent"):
        looked = event.get(kind, {})
        preview.rules.update(looked.get("passed") or (), looked.get("failed") or ())
    if said := event.get("diagnosticEvent"):
        text = _plain(said["message"])
        if said["severity"] == "error" and text not in (_FAILED, *preview.errors):
            preview.errors.append(text)
    if summary := event.get("summaryEvent"):
        preview.ended = True
        preview.failed = summary.get("result") == "failed"
        preview.packs = dict(summary.get("PolicyPacks") or {})


def _take_step(
    preview: Preview, refreshing: set[str], metadata: Mapping[str, Any], is_before: bool
) -> None:
    urn = metadata["urn"]
    preview.stack = preview.stack or urn.split(":")[2]
    state = metadata["new"] or metadata["old"] or {}
    if metadata["op"] == "refresh" and is_before:
        refreshing.add(urn)
    elif urn in refreshing and not is_before:
        # Only now it is known what the object is like. In `pulumi refresh` the step goes by the
        # name of what that means for the state.
        refreshing.discard(urn)
        if state.get("custom"):
            preview.refreshed[urn] = _step(metadata, "refresh")
    elif is_before and state.get("custom"):
        _take_change(preview, _step(metadata, metadata["op"]))


def _take_change(preview: Preview, step: Step) -> None:
    """A replacement comes as several steps, and is one change."""
    if step.op not in _REPLACING:
        preview.steps.setdefault(step.urn, step)
    elif step.op == "replace" or step.urn not in preview.steps:
        preview.steps[step.urn] = replace(step, op="replace")


def _step(metadata: Mapping[str, Any], op: str) -> Step:
    old, new = metadata["old"], metadata["new"]
    return Step(
        urn=metadata["urn"],
        op=op,
        old=old and (old.get("inputs") or {}),
        new=new and (new.get("inputs") or {}),
        keys=tuple(metadata.get("keys") or ()),
        paths=tuple(metadata.get("detailedDiff") or ()),
    )


def _violation(event: Mapping[str, Any]) -> Violation:
    text = _plain(event["message"])
    # The rule's description comes first, on a line of its own.
    _, _, message = text.partition("\n")
    return Violation(
        rule=event["policyName"],
        level=event["enforcementLevel"],
        name=_name(event.get("resourceUrn", "")),
        message=message or text,
    )


def _name(urn: str) -> str:
    return urn.split("::", 3)[-1]


def _plain(text: str) -> str:
    """A message without the engine's colours."""
    return _COLOURS.sub("", text).strip()
