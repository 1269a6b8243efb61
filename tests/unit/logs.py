"""Logs of previews made by hand, in the engine's form."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

DTAB = "pulumi-python:dynamic/namerd:Dtab"
Event = dict[str, Any]
Inputs = Mapping[str, Any] | None


def urn(name: str = "internal", kind: str = DTAB) -> str:
    return f"urn:pulumi:dev::linkerd-canary::{kind}::{name}"


def table(weights: Mapping[str, Any], prefix: str = "/host/world", **more: Any) -> dict[str, Any]:
    """The inputs of a table with one split."""
    return {"dentries": ["/svc => /host"], "splits": {prefix: dict(weights)}, **more}


def step(
    op: str,
    old: Inputs,
    new: Inputs,
    name: str = "internal",
    kind: str = DTAB,
    **more: Any,
) -> list[Event]:
    """What the program does to a resource."""
    return [{"resourcePreEvent": {"metadata": _metadata(op, old, new, name, kind, more)}}]


def refreshed(
    old: Inputs, new: Inputs | str = "the same", name: str = "internal", kind: str = DTAB
) -> list[Event]:
    """A resource's inputs by the state, and by what is live."""
    live = old if isinstance(new, str) else new
    before = _metadata("refresh", old, old, name, kind, {})
    after = _metadata("refresh", old, live, name, kind, {})
    return [
        {"resourcePreEvent": {"metadata": before}},
        {"resOutputsEvent": {"metadata": after}},
    ]


def _metadata(
    op: str, old: Inputs, new: Inputs, name: str, kind: str, more: Mapping[str, Any]
) -> Event:
    states = [state if state is None else {"custom": True, "inputs": state} for state in (old, new)]
    found = {"op": op, "urn": urn(name, kind), "old": states[0], "new": states[1]}
    return {**found, "detailedDiff": None, **more}


def error(message: str) -> list[Event]:
    return [{"diagnosticEvent": {"severity": "error", "message": message}}]


def violation(rule: str, message: str, level: str = "mandatory", name: str = "web") -> list[Event]:
    event = {"policyName": rule, "enforcementLevel": level, "resourceUrn": urn(name)}
    return [
        {"policyEvent": {**event, "message": f"What the rule is for.\n{message}\n"}},
        {"policyAnalyzeSummaryEvent": {"passed": ["another"], "failed": [rule]}},
    ]


def ended(failed: bool = False, **more: Any) -> list[Event]:
    return [{"summaryEvent": {"result": "failed" if failed else "succeeded", **more}}]


def text(*events: Sequence[Event], ending: Sequence[Event] | None = None) -> str:
    """The whole log; by default of a preview that came to a good end."""
    listed = [event for part in events for event in part]
    listed += ended() if ending is None else ending
    lines = [{"sequence": number, "timestamp": 0, **event} for number, event in enumerate(listed)]
    return "".join(json.dumps(line) + "\n" for line in lines)
