"""The stack `local` as tests see it: its commands, its answers, and what its traffic does."""

import math
import os
import re
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

import requests
import urllib3
from requests.adapters import HTTPAdapter

from local import node, stack, toolchain
from local.paths import KUBECONFIG, PYTHON, ROOT
from tests.e2e.cluster import eventually

ANSWER = re.compile(r"Hello \(([0-9.]+)\) (world|worldv2) \(([0-9.]+)\)!!")


def command(*arguments: str, status: int = 0, **env: str) -> str:
    """What a command prints, errors included, in a shell that has taken `make env`."""
    return run_command(arguments, {**environment(), **env}, status)


def environment() -> dict[str, str]:
    """Of a shell that has taken `make env`."""
    return {**toolchain.subprocess_environment(), "KUBECONFIG": str(KUBECONFIG)}


def run_command(arguments: Sequence[str], environment: Mapping[str, str], status: int = 0) -> str:
    """What a command prints, errors included, that must end with a status."""
    done = subprocess.run(
        arguments,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == status, f"{arguments} ended with {done.returncode}: {done.stdout}"
    return done.stdout


def local(what: str, *arguments: str, status: int = 0, **env: str) -> str:
    """What `make WHAT` prints."""
    return command(str(PYTHON), "-m", "local", what, *arguments, status=status, **env)


def up() -> str:
    """Bring the nodes, the images and the stack up as `make up` does, without its tour."""
    return command(str(PYTHON), "-c", "from local import whole; whole.up()")


def set_weight(weight: float) -> None:
    """Set the canary's weight and bring the stack to it."""
    command("pulumi", "up", "--yes", "--skip-preview", "--config", f"canaryWeight={weight:g}")


def configure_weight(weight: float) -> None:
    """Set the canary's weight for the next update."""
    command("pulumi", "config", "set", "canaryWeight", f"{weight:g}")


def ask(url: str, **headers: str) -> str:
    """One answer of hello; an AssertionError where there is none."""
    with session() as http:
        try:
            response = http.get(url, headers=headers, timeout=30)
        except requests.RequestException as error:
            raise AssertionError(str(error)) from error
    assert response.status_code == requests.codes.ok, response.text
    return response.text.strip()


def first_answer(url: str) -> str:
    """An answer of hello at a new address, which the node learns of a moment after the program."""
    return str(eventually(lambda: ask(url)))


def session() -> requests.Session:
    """A session for the nodes' addresses; it asks no proxy, and nothing leaves without a node."""
    return node.session()


@contextmanager
def pool(url: str) -> Iterator[urllib3.HTTPConnectionPool]:
    """A session's connections to a URL's host, for many requests: each costs half as much by them.

    No request is sent again, and each may take a minute.
    """
    with session() as http:
        adapter = http.get_adapter(url)
        assert isinstance(adapter, HTTPAdapter)
        found = adapter.poolmanager.connection_from_url(url)
        found.retries = urllib3.Retry(0, redirect=False)
        found.timeout = urllib3.Timeout(60)
        yield found


def world_of(answer: str) -> str:
    """Which world an answer of hello names: `world` or `worldv2`."""
    found = ANSWER.fullmatch(answer)
    assert found, f"not as hello answers: {answer!r}"
    return found[2]


@dataclass
class Traffic:
    """What a load has seen so far."""

    worlds: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    again: int = 0
    """Requests that were sent again, as every HTTP client does (RFC 9112, 9.3.1): the kept
    connection that they were sent on was closed at that moment, without an answer."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def count(self) -> int:
        """Requests answered or failed."""
        with self.lock:
            return self.worlds.total() + len(self.failures)

    def add(self, world: str | None, failure: str = "") -> None:
        """Count one request."""
        with self.lock:
            if world:
                self.worlds[world] += 1
            else:
                self.failures.append(failure)


@contextmanager
def load(
    url: str,
    connections: int = 4,
    most: int = 200_000,
    pause: float = 0.0,
    kept: Sequence[urllib3.HTTPConnectionPool] = (),
) -> Iterator[Traffic]:
    """Ask `url` over some connections, until the block ends or `most` requests.

    `pause` are the seconds that each connection waits between two. `kept` takes the place of new
    connections, by one each.
    """
    traffic, stop = Traffic(), threading.Event()

    def ask_on(own: urllib3.HTTPConnectionPool | None) -> None:
        with nullcontext(own) if own else pool(url) as http:
            while not stop.is_set() and traffic.count < most:
                try:
                    response = _answer(http, traffic)
                    text = response.data.decode()
                    found = ANSWER.fullmatch(text.strip())
                    said = f"{response.status} {text[:200]}"
                    traffic.add(found[2] if found and response.status == 200 else None, said)
                except urllib3.exceptions.HTTPError as error:
                    traffic.add(None, str(error))
                stop.wait(pause)

    by: Sequence[urllib3.HTTPConnectionPool | None] = kept or [None] * connections
    threads = [threading.Thread(target=ask_on, args=(own,)) for own in by]
    for thread in threads:
        thread.start()
    try:
        yield traffic
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _answer(http: urllib3.HTTPConnectionPool, traffic: Traffic) -> urllib3.BaseHTTPResponse:
    made = http.num_connections
    try:
        return http.request("GET", "/")
    except urllib3.exceptions.MaxRetryError as error:
        was_kept = http.num_connections == made
        if not was_kept or not isinstance(error.reason, urllib3.exceptions.ProtocolError):
            raise
    with traffic.lock:
        traffic.again += 1
    return http.request("GET", "/")


def split_of(url: str, count: int) -> Counter[str]:
    """How many of `count` requests, or a few more, went to each world."""
    with load(url, most=count) as traffic:
        while traffic.count < count:
            threading.Event().wait(0.05)
    assert not traffic.failures, traffic.failures[:3]
    return traffic.worlds


def within_binomial_bounds(hits: int, count: int, share: float) -> bool:
    """Whether `hits` of `count` fit a share, within five standard deviations."""
    return abs(hits - count * share) <= 5 * math.sqrt(count * share * (1 - share))


def outputs() -> dict[str, object]:
    """The stack's outputs."""
    return stack.outputs()


def changed_files() -> str:
    """What git says is not as committed, as long as the tree was clean before."""
    done = subprocess.run(
        ["git", "status", "--porcelain"],
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout
