"""What `make up` shows at its end: the canary at work, and how to go on."""

import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress

import requests

from local import node, stack
from local.errors import LocalError
from local.stack import NodeGoneError
from local.whole import Part

WEIGHT = 10.0
"""Percent of the traffic that the tour gives to world-v2, or the stack's largest step if less."""

SAMPLE = 500
"""Requests that a split is measured by: its standard error at 10 % is then 1.3 percents."""

ANSWER_SECONDS = 120.0
"""How long a new address may take to answer."""

_ANSWER = re.compile(r"Hello \(([0-9.]+)\) (world|worldv2) \(([0-9.]+)\)!!")


def show(parts: Sequence[Part]) -> None:
    """Ask hello ten times, move the canary's weight, measure the split, say how to go on.

    A weight that has been set is left alone, 0 too: that is where `canary abort` puts one. Inside
    the cluster only, hello is not asked. With services of one's own, it is what answers.
    """
    url, config = str(stack.outputs()["url"]), stack.config()
    if config.get("exposure") != "ClusterIP":
        if "services" in config:
            _show_own(url)
        else:
            _show_traffic(url)
    _how_to_go_on(url, parts)


def _show_traffic(url: str) -> None:
    _wait_for(url, lambda url: answers(url, 1))
    _tell(f"\nTen requests to {url}:")
    for answer in answers(url, 10):
        _tell(answer)
    config = stack.config()
    if "canaryWeight" not in config:
        most = float(config.get("maxWeightStep", stack.default("maxWeightStep")))
        _move_the_canary(min(WEIGHT, most))
    _measure(url)


def _show_own(url: str) -> None:
    _wait_for(url, _get)
    _tell(f"\n{url} answers:\n{_get(url)[:500]}")
    for prefix, weights in stack.outputs()["split"].items():
        shares = ", ".join(f"{branch} {weight:g} %" for branch, weight in weights.items())
        _tell(f"{prefix}: {shares}")


def _tell(text: str) -> None:
    # At once, as what `pulumi` writes comes between.
    print(text, flush=True)


def _wait_for(url: str, ask: Callable[[str], object]) -> None:
    """Wait until the address leads somewhere: the node learns of it a moment after Pulumi."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while time.monotonic() < deadline:
        with suppress(LocalError):
            ask(url)
            return
        if not node.running():
            raise NodeGoneError(f"{url} was waited for")
        time.sleep(0.1)
    raise LocalError(f"{url} has not answered for {ANSWER_SECONDS:.0f} s: see `make status`")


def answers(url: str, count: int) -> list[str]:
    """`count` answers of hello, one after another; a LocalError for one that is no answer."""
    with node.session() as session:
        return [_answer(session, url) for _ in range(count)]


def _get(url: str) -> str:
    with node.session() as session:
        return _text(session, url)


def _answer(session: requests.Session, url: str) -> str:
    text = _text(session, url)
    if not _ANSWER.fullmatch(text):
        raise LocalError(f"{url} answered not as hello does: {text[:200]}")
    return text


def _text(session: requests.Session, url: str) -> str:
    try:
        response = session.get(url, timeout=30)
    except requests.RequestException as error:
        raise LocalError(f"{url} does not answer: {error}") from None
    text = response.text.strip()
    if response.status_code != requests.codes.ok:
        raise LocalError(f"{url} answered {response.status_code}: {text[:200]}")
    return text


def _move_the_canary(weight: float) -> None:
    _tell(f"\n$ pulumi config set canaryWeight {weight:g}")
    stack.pulumi("config", "set", "canaryWeight", f"{weight:g}")
    _tell("$ pulumi preview --diff")
    stack.pulumi("preview", "--diff")
    _tell("$ pulumi up")
    stack.pulumi("up", "--yes", "--skip-preview")


def _measure(url: str) -> None:
    worlds = Counter(_world(answer) for answer in answers(url, SAMPLE))
    share = 100 * worlds["worldv2"] / SAMPLE
    weight = stack.outputs()["split"]["/host/world"]["/srv/world-v2"]
    _tell(
        f"\nOf {SAMPLE} requests {worlds['world']} went to world-v1 and {worlds['worldv2']} to "
        f"world-v2: {share:.1f} %, by a weight of {weight:g} %."
    )


def _world(answer: str) -> str:
    found = _ANSWER.fullmatch(answer)
    return found[2] if found else ""


def _how_to_go_on(url: str, parts: Sequence[Part]) -> None:
    outputs = stack.outputs()
    width = max(len(part.name) for part in parts)
    _tell("\nWhat ran here:")
    for part in parts:
        _tell(f"  {part.name:<{width}}  {'real' if part.real else 'STAND-IN':<8}  {part.what}")
    _tell(
        f"""
hello answers at   {url}
from anywhere      {outputs["portForward"]}
linkerd's admin    {outputs["linkerdAdmin"]}
namerd's admin     {outputs["namerdAdmin"]}

To go on:
  eval "$(make -s env)"                  pulumi, kubectl and python are the local stack's
  pulumi config set canaryWeight 30
  pulumi up                              the preview shows the two lines of the split
  curl {url}
  make down                              ends the node; `make up` brings it back as it was
"""
    )
