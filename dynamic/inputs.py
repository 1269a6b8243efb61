"""The resource's inputs: checked one by one, and brought into one form.

Values that are not known yet, in a preview, are left alone, whatever they are part of.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dynamic import grammar, splits
from dynamic.grammar import Dtab
from kube.errors import printable

IsUnknown = Callable[[object], bool]

_LABEL = "[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
NAMESPACE = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")
"""A dtab namespace: in Kubernetes it is the name of an object (RFC 1123, a subdomain)."""

_URL = re.compile(
    r"https?://"
    r"(?:[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?|\[[0-9a-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?/*",
    re.IGNORECASE,
)

NAMERD_KEYS = ("cluster", "service", "url", "kubeconfig", "context")
LINKERD_KEYS = ("namespace", "selector", "router", "port")


@dataclass(frozen=True)
class Target:
    """Which namerd, and how to reach it: the input `namerd`.

    Either `url`, or `service` ("namespace/name") with a kubeconfig, given as its path or content
    (none: the ambient one), and a context in it (none: the current one).
    """

    cluster: str | None = None
    service: str | None = None
    url: str | None = None
    kubeconfig: str | None = field(default=None, repr=False)
    context: str | None = None

    @property
    def identity(self) -> str:
        """What stays the same when the address or the credentials change."""
        if self.cluster is None:
            return str(self.url)
        return f"{self.cluster}/{self.service}" if self.service else self.cluster


ADMIN_PORT = "9990"
"""linkerd's, unless its config says another."""


@dataclass(frozen=True)
class Linkerds:
    """Where linkerds are and by which router they follow a table: the input `linkerds`."""

    namespace: str
    selector: str
    """Of their pods' labels: `app=l5d`."""
    router: str
    port: str = ADMIN_PORT
    """The admin port, by number or name."""


@dataclass(frozen=True)
class Inputs:
    """All inputs, known and checked."""

    namespace: str
    base: Dtab
    splits: splits.Splits
    target: Target
    adopt: bool
    resource: str
    """Who the resource is, as `marks.resource_of` writes it."""
    linkerds: Linkerds | None
    """Who follows the table, if that is to be made sure of."""

    @classmethod
    def of(cls, props: Mapping[str, Any]) -> "Inputs":
        """From the properties that `checked` gave."""
        return cls(
            namespace=props["namespace"],
            base=tuple(map(grammar.parse_dentry, props.get("dentries") or [])),
            splits=weights_of(props),
            target=target_of(props),
            adopt=bool(props.get("adopt")),
            resource=str(props.get("resource") or ""),
            linkerds=linkerds_of(props),
        )

    @property
    def table(self) -> Dtab:
        """The table to write."""
        return splits.table(self.base, self.splits)


def weights_of(props: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """The splits of checked properties; numbers come as floats, whole ones too."""
    given = props.get("splits") or {}
    return {
        prefix: {path: splits.percent(round(weight * 100)) for path, weight in weights.items()}
        for prefix, weights in given.items()
    }


def target_of(props: Mapping[str, Any]) -> Target:
    """How to reach namerd, from checked properties."""
    given = props["namerd"]
    return Target(**{key: given[key] for key in NAMERD_KEYS if given.get(key)})


def linkerds_of(props: Mapping[str, Any]) -> Linkerds | None:
    """Who follows the table, from checked properties."""
    given = props.get("linkerds")
    if not given:
        return None
    port = str(given.get("port") or ADMIN_PORT)
    return Linkerds(given["namespace"], given["selector"], given["router"], port)


def checked(
    olds: Mapping[str, Any], news: Mapping[str, Any], is_unknown: IsUnknown
) -> tuple[dict[str, Any], list[str]]:
    """The inputs in their one form, and a line for each thing that is wrong with them.

    Paths, prefixes and dentries become canonical, so that only a change of meaning is a change.
    """
    check = _Check(olds, is_unknown)
    return check.all(news), check.failures


class _Check:
    def __init__(self, olds: Mapping[str, Any], is_unknown: IsUnknown) -> None:
        self._olds = olds
        self._is_unknown = is_unknown
        self.failures: list[str] = []

    def all(self, news: Mapping[str, Any]) -> dict[str, Any]:
        inputs = dict(news)
        self._namespace(news.get("namespace"))
        inputs["dentries"] = self._dentries(news.get("dentries", []))
        inputs["splits"] = self._splits(news.get("splits", {}))
        self._overlaps(inputs["splits"], inputs["dentries"])
        inputs["namerd"] = self._namerd(news.get("namerd"))
        self._linkerds(news.get("linkerds"), news.get("namerd"))
        self._boolean("adopt", news.get("adopt", False))
        if "baseline" in news:
            inputs["baseline"] = self._baseline(news["baseline"], inputs["splits"])
        self._step(news.get("max_weight_step"), inputs["splits"], inputs.get("baseline"))
        return inputs

    def _fail(self, where: str, reason: str) -> None:
        # The language's own messages quote the text as it is.
        self.failures.append(printable(f"{where}: {reason}"))

    def _namespace(self, given: object) -> None:
        if self._is_unknown(given):
            return
        if not isinstance(given, str) or not NAMESPACE.fullmatch(given):
            self._fail(
                "namespace",
                f"{_quote(given)} is no dtab namespace: lower-case letters, digits, '-' and '.'",
            )

    def _dentries(self, given: Any) -> Any:
        if self._is_unknown(given):
            return given
        if not isinstance(given, list):
            self._fail("dentries", f"a list of strings, one an entry, not {_quote(given)}")
            return given
        return [self._dentry(f"dentries[{i}]", each) for i, each in enumerate(given)]

    def _dentry(self, where: str, given: Any) -> Any:
        if self._is_unknown(given):
            return given
        if not isinstance(given, str):
            self._fail(where, f"a string such as '/svc => /host', not {_quote(given)}")
            return given
        return self._parsed(where, given, lambda text: _shown(grammar.parse_dentry(text)))

    def _parsed(self, where: str, given: str, parse: Callable[[str], str]) -> str:
        try:
            return parse(given)
        except grammar.GrammarError as error:
            self._fail(where, str(error))
            return given

    def _splits(self, given: Any) -> Any:
        if self._is_unknown(given):
            return given
        if not isinstance(given, Mapping):
            self._fail("splits", f"weights by branch by prefix, not {_quote(given)}")
            return given
        found: dict[str, Any] = {}
        for prefix, weights in sorted(given.items()):
            where = f"splits[{prefix!r}]"
            canonical = self._parsed(where, prefix, grammar.parse_prefix)
            if canonical in found:
                self._fail(where, "the same prefix is split twice")
            found[canonical] = self._weights(where, weights)
        return found

    def _weights(self, where: str, given: Any) -> Any:
        if self._is_unknown(given):
            return given
        if not isinstance(given, Mapping) or not given:
            self._fail(where, f"percents by branch, not {_quote(given)}")
            return given
        found: dict[str, Any] = {}
        for path, weight in sorted(given.items()):
            branch = f"{where}[{path!r}]"
            canonical = self._parsed(branch, path, grammar.parse_path)
            if canonical in found:
                self._fail(branch, "the same branch stands twice")
            found[canonical] = self._weight(branch, weight)
        parts = list(map(splits.hundredths, found.values()))
        known = [part for part in parts if part is not None]
        if len(known) == len(given) and sum(known) != splits.WHOLE:
            total = splits.percent(sum(known))
            self._fail(where, f"the weights add up to {total}, not to 100")
        return found

    def _weight(self, where: str, given: Any) -> Any:
        if self._is_unknown(given):
            return given
        part = splits.hundredths(given)
        if part is None:
            said = f"a percent from 0 to 100 with at most two decimals, not {_quote(given)}"
            self._fail(where, said)
            return None
        return splits.percent(part)

    def _overlaps(self, given: Any, dentries: Any) -> None:
        if not isinstance(given, Mapping) or not isinstance(dentries, list):
            return
        base = {each.partition(" => ")[0] for each in dentries if isinstance(each, str)}
        earlier = splits.Prefixes()
        for prefix in sorted(given):
            if prefix in base:
                self._fail(f"splits[{prefix!r}]", "the base has an entry for this prefix too")
            for other in earlier.overlapping(prefix):
                self._fail(f"splits[{prefix!r}]", f"overlaps the split of {other!r}")
            earlier.add(prefix)

    def _namerd(self, given: Any) -> Any:
        if self._is_unknown(given):
            return given
        if not isinstance(given, Mapping):
            self._fail("namerd", "how to reach namerd: a url, or cluster, service and kubeconfig")
            return given
        for key, value in given.items():
            if key not in NAMERD_KEYS:
                self._fail("namerd", f"no such key {key!r}; there are {', '.join(NAMERD_KEYS)}")
            elif not self._is_unknown(value) and not (isinstance(value, str) and value):
                shown = "this" if key == "kubeconfig" else _quote(value)
                self._fail("namerd", f"{key!r} must be a string, not {shown}")
        for reason in _namerd_lacks(given, self._is_unknown):
            self._fail("namerd", reason)
        url = given.get("url")
        return {**given, "url": url.rstrip("/")} if isinstance(url, str) else dict(given)

    def _linkerds(self, given: Any, namerd: Any) -> None:
        if given is None or self._is_unknown(given):
            return
        if not isinstance(given, Mapping):
            self._fail("linkerds", f"a namespace, selector and router, not {_quote(given)}")
            return
        for key in sorted({*given} - {*LINKERD_KEYS}):
            self._fail("linkerds", f"no such key {key!r}; there are {', '.join(LINKERD_KEYS)}")
        for key in LINKERD_KEYS:
            value = given.get(key)
            if key == "port" and value is None:
                continue
            if not self._is_unknown(value) and not (isinstance(value, str) and value):
                self._fail("linkerds", f"{key!r} must be a string, not {_quote(value)}")
        if isinstance(namerd, Mapping) and namerd.get("url"):
            self._fail("linkerds", "they are asked through a cluster, and `namerd` has a url")

    def _boolean(self, where: str, given: object) -> None:
        if not self._is_unknown(given) and not isinstance(given, bool):
            self._fail(where, f"true or false, not {_quote(given)}")

    def _baseline(self, given: Any, weights: Any) -> Any:
        """One branch for each split that it names, in canonical form."""
        if given is None or self._is_unknown(given):
            return given
        if not isinstance(given, Mapping):
            self._fail("baseline", f"a branch by prefix of 'splits', not {_quote(given)}")
            return given
        found: dict[str, Any] = {}
        for prefix, path in sorted(given.items()):
            where = f"baseline[{prefix!r}]"
            split = self._parsed(where, prefix, grammar.parse_prefix)
            found[split] = self._branch(where, path)
            if not self.failures and isinstance(weights, Mapping):
                self._must_be_branch(where, found[split], weights.get(split))
        return found

    def _branch(self, where: str, given: Any) -> Any:
        if self._is_unknown(given):
            return given
        if not isinstance(given, str):
            self._fail(where, f"a branch of the split, not {_quote(given)}")
            return given
        return self._parsed(where, given, grammar.parse_path)

    def _must_be_branch(self, where: str, path: Any, weights: Any) -> None:
        if weights is None:
            self._fail(where, "there is no such split")
        elif isinstance(weights, Mapping) and isinstance(path, str) and path not in weights:
            self._fail(where, f"{path!r} is no branch of this split")

    def _step(self, limit: Any, new: Any, baseline: Any) -> None:
        """No weight may rise by more than `max_weight_step` at once, but the baseline's."""
        if limit is None or self._is_unknown(limit):
            return
        most = splits.hundredths(limit)
        if not most:
            said = f"a percent from 0.01 to 100 with at most two decimals, not {_quote(limit)}"
            self._fail("max_weight_step", said)
            return
        if self.failures or not isinstance(new, Mapping) or not self._olds.get("splits"):
            return
        for where, before, after in _steps(self._olds, new, baseline):
            if after - before > most:
                self._fail(
                    where,
                    f"from {splits.percent(before)} to {splits.percent(after)} is more than "
                    f"max_weight_step, {splits.percent(most)}",
                )


def _namerd_lacks(given: Mapping[str, Any], is_unknown: IsUnknown) -> Iterator[str]:
    url, service = given.get("url"), given.get("service")
    if url is None:
        if service is None:
            yield "takes a 'url', or a 'service' with its 'cluster'"
        if given.get("cluster") is None:
            yield "'cluster' is missing: a name of your choice that tells this cluster from others"
        if isinstance(service, str) and not re.fullmatch(r"[a-z0-9-]+/[a-z0-9-]+", service):
            yield f"'service' is a namespace and a name, 'linkerd/namerd', not {_quote(service)}"
    elif not is_unknown(url):
        if not isinstance(url, str) or not _is_plain_url(url):
            yield "'url' is namerd's address, 'http://HOST:4180', without a path or password"
        if given.get("kubeconfig") or given.get("context"):
            yield "a 'url' needs no 'kubeconfig' or 'context'"


def _is_plain_url(url: str) -> bool:
    found = _URL.fullmatch(url)
    return found is not None and 0 < int(found["port"] or 80) < 65536


def _steps(
    olds: Mapping[str, Any], news: Mapping[str, Any], baseline: Any
) -> Iterator[tuple[str, int, int]]:
    """Where, before and after, in hundredths, of each weight but the baseline's."""
    for prefix, weights in news.items():
        before = olds["splits"].get(prefix)
        if not isinstance(weights, Mapping) or not isinstance(before, Mapping):
            continue
        free = way_back(prefix, before, olds.get("baseline"), baseline)
        for path, weight in sorted(weights.items()):
            was, after = splits.hundredths(before.get(path, 0)), splits.hundredths(weight)
            if path != free and was is not None and after is not None:
                yield f"splits[{prefix!r}][{path!r}]", was, after


def way_back(prefix: str, before: Mapping[str, Any], old: Any, new: Any) -> str | None:
    """The branch that traffic may return to at any step: one that the split had.

    It is the baseline that the state has, so that no update gets round the limit by naming another
    one; where it has none yet, the one given now, and without one the branch that sorts first.
    """
    for given in (old, new):
        named = given.get(prefix) if isinstance(given, Mapping) else None
        if isinstance(named, str) and named in before:
            return named
    return min(before, default=None)


def _shown(dentry: grammar.Dentry) -> str:
    return grammar.show_dentry(grammar.parse_dentry(grammar.show([dentry])))


def _quote(given: object) -> str:
    if isinstance(given, float) and float(f"{given:g}") == given:
        return f"{given:g}"  # as a person writes it: every number comes as a float
    return repr(given)[:100]
