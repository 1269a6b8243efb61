"""How linkerds speak with one another, and which changes of that lose no request.

While a change is rolled out, linkerds of before and after run side by side. It is safe where those
of either side take what those of the other send.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

OFF, SERVER, MUTUAL = "off", "server", "mutual"
MODES = (OFF, SERVER, MUTUAL)

OWN = "(own)"
"""The source of certificates that this project makes itself; others are named after a Secret, and
no Secret can have this name."""

COMMON_NAME = "linkerd"
"""The name that a linkerd wants in the certificate of another."""

FOLDER = "/io.buoyant/tls"
"""Where linkerd's container finds the files."""

VOLUME = "tls"
"""The volume of linkerd's pods that holds them."""

AUTHORITIES, CERTIFICATE, KEY = "ca.crt", "tls.crt", "tls.key"
"""The files, and the keys of the Secret that holds them, as cert-manager writes them too."""

ANNOTATION = "linkerd-canary/tls"
"""The annotation of linkerd's pods that tells a later update what runs. Plain ones have none."""

AUTHORITIES_ANNOTATION = "linkerd-canary/tls-authorities"
"""The annotation that tells which of the project's own authorities a pod trusts, and has its
certificate from."""


@dataclass(frozen=True)
class Way:
    """What linkerds send to one another, and what they take."""

    mode: str = OFF
    """What they send: off (plain HTTP), server (TLS) or mutual (TLS with a client certificate)."""
    permissive: bool = False
    """Whether they also take plain HTTP, and TLS without a client certificate."""
    source: str = ""
    """Where certificates come from: OWN or a Secret's name; "" exactly where none are needed."""

    @classmethod
    def of(cls, mode: str, permissive: bool, secret: str) -> "Way":
        """The way that config asks for; `secret` is empty for the project's own certificates."""
        needed = mode != OFF or permissive
        return cls(mode, permissive, (secret or OWN) if needed else "")

    @classmethod
    def of_annotation(cls, text: str) -> "Way":
        """The way that a pod's annotation tells; the plain one for "". Raises ValueError."""
        if not text:
            return cls()
        said, _, secret = text.partition("@")
        mode, _, more = said.partition("+")
        if mode not in MODES or more not in ("", "permissive"):
            raise ValueError(f"annotation {ANNOTATION} is {text!r}")
        return cls.of(mode, bool(more), secret)

    @property
    def annotation(self) -> str:
        """What `of_annotation` reads: "" or such as `mutual+permissive@SECRET`."""
        if not self.source:
            return ""
        permissive = "+permissive" if self.permissive else ""
        return f"{self.mode}{permissive}{'' if self.source == OWN else f'@{self.source}'}"

    @property
    def takes_plain(self) -> bool:
        """Whether the plain port is open."""
        return self.mode == OFF or self.permissive

    @property
    def takes_tls(self) -> bool:
        """Whether the TLS port is open."""
        return bool(self.source)

    @property
    def asks_for_certificates(self) -> bool:
        """Whether the TLS port refuses who has no client certificate."""
        return self.mode == MUTUAL and not self.permissive

    @property
    def sends_tls(self) -> bool:
        """Whether requests to other linkerds are encrypted."""
        return self.mode != OFF

    def __str__(self) -> str:
        said = f"meshTls {self.mode} with meshTlsPermissive {str(self.permissive).lower()}"
        return said if self.source in ("", OWN) else f"{said} and meshTlsSecret {self.source}"


PLAIN = Way()
"""Plain HTTP everywhere."""


def works_with(one: Way, other: Way) -> bool:
    """Whether linkerds of two ways take one another's requests."""
    return _is_taken(one, other) and _is_taken(other, one)


def _is_taken(sender: Way, receiver: Way) -> bool:
    if not sender.sends_tls:
        return receiver.takes_plain
    # Certificates of two sources come from two authorities, as far as is known.
    same = receiver.source == sender.source
    return same and (sender.mode == MUTUAL or not receiver.asks_for_certificates)


def steps(before: Way, after: Way) -> list[Way]:
    """The fewest ways, one for each update, that lead from one to another; the last is `after`."""
    came_from: dict[Way, Way | None] = {before: None}
    waiting = deque([before])
    while after not in came_from:
        at = waiting.popleft()
        for following in _all_ways({before.source, after.source} - {""}):
            if following not in came_from and works_with(at, following):
                came_from[following] = at
                waiting.append(following)
    return list(_back(came_from, after))[::-1]


def _back(came_from: Mapping[Way, Way | None], way: Way) -> Iterator[Way]:
    at: Way | None = way
    while at is not None and came_from[at] is not None:
        yield at
        at = came_from[at]


def _all_ways(sources: Iterable[str]) -> Iterator[Way]:
    yield Way()
    for source in sorted(sources):
        yield Way(OFF, True, source)
        for mode in (SERVER, MUTUAL):
            yield Way(mode, True, source)
            yield Way(mode, False, source)


def refusal(before: Way, after: Way) -> str | None:
    """Why an update may not lead from one way to another, and how to go; None where it may."""
    if works_with(before, after):
        return None
    listed = "; ".join(f"({number}) {way}" for number, way in enumerate(steps(before, after), 1))
    return (
        f"from {before} to {after} at once, requests would fail while linkerds of both run: go "
        f"step by step, with a `pulumi up` after each: {listed}"
    )
