"""Issuing a mesh's certificates step by step, so that linkerds trust one another at any time.

A rotation has three steps: `both` has every linkerd trust a new authority beside the former, `new`
has certificates issued by the new one, and `none` again drops the former. From `both`, `none` drops
the new one. A certificate is kept until a step or a higher serial asks for another.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509

from kube.errors import OneLineError
from mesh import expiry, issuing, live, pair, tls
from mesh.issuing import Issued
from mesh.live import Linkerd

Props = dict[str, Any]

NONE, BOTH, NEW = "none", "both", "new"


class CertificatesError(OneLineError):
    """A step that would lose requests, or certificates that nothing can be done with any more."""


@dataclass(frozen=True)
class _Plan:
    """What a step trusts and issues by; `following` is None without a rotation."""

    authority: Issued
    following: Issued | None
    issues: Issued

    def trusted(self, now: datetime) -> list[str]:
        """The authorities' certificates; what an expired one issued has expired with it."""
        both = [self.authority, *([self.following] if self.following else [])]
        return [certificate for certificate, _ in both if not _is_expired(certificate, now)]


def refuse(olds: Mapping[str, Any], news: Mapping[str, Any]) -> None:
    """Raise CertificatesError where a step cannot be taken, or the state's pair is of no use."""
    now = expiry.now()
    _refuse_lower_serial(olds, news)
    _refuse_skipped_step(olds, news, now)
    plan = _plan(olds, news, now)
    _refuse_expired(plan, olds, news, now)
    if olds["rotation"] != news["rotation"]:
        _refuse_unfinished(plan, olds, news, now)


def issued(olds: Mapping[str, Any], news: Mapping[str, Any]) -> Props:
    """All that the state keeps after a step; `olds` are empty for the first one."""
    now = expiry.now()
    plan = _plan(olds, news, now)
    leaf = (olds["certificate"], olds["key"]) if olds else None
    if leaf is None or _must_be_new(plan, olds, news):
        leaf = issuing.leaf(plan.issues, float(news["leaf_days"]), now)
    following = plan.following or ("", "")
    trusted = plan.trusted(now)
    bundle = "".join(trusted)
    found = pair.read(_files(bundle, leaf), "the new certificates", True, now)
    return {
        "rotation": news["rotation"],
        "serial": news["serial"],
        "authority": plan.authority[0],
        "authority_key": plan.authority[1],
        "next_authority": following[0],
        "next_authority_key": following[1],
        "bundle": bundle,
        "certificate": leaf[0],
        "key": leaf[1],
        "authorities": _authorities(trusted, plan.issues),
        "digest": _digest(olds, bundle, leaf[0]),
        "expires": found.expires,
    }


def _digest(olds: Mapping[str, Any], bundle: str, certificate: str) -> str:
    """What a Secret of these certificates is named by: another name whenever they change.

    A name never comes back, not even with what it once named. A Secret that an update which failed
    was to replace is still to be deleted, by its name, when the next one ends.
    """
    if olds and (olds["bundle"], olds["certificate"]) == (bundle, certificate):
        return str(olds["digest"])
    return issuing.digest(str(olds["digest"]) if olds else "", bundle, certificate)


def _plan(olds: Mapping[str, Any], news: Mapping[str, Any], now: datetime) -> _Plan:
    days = float(news["authority_days"])
    if not olds:
        authority = issuing.authority(days, now)
        following = None
    else:
        authority = (olds["authority"], olds["authority_key"])
        following = (olds["next_authority"], olds["next_authority_key"])
        if not following[0]:
            following = None
    if news["rotation"] == NONE:
        if following and olds["rotation"] == NEW:
            authority = following
        return _Plan(authority, None, authority)
    following = following or issuing.authority(days, now)
    return _Plan(authority, following, following if news["rotation"] == NEW else authority)


def _must_be_new(plan: _Plan, olds: Mapping[str, Any], news: Mapping[str, Any]) -> bool:
    issuer = x509.load_pem_x509_certificate(plan.issues[0].encode())
    leaf = x509.load_pem_x509_certificate(olds["certificate"].encode())
    return news["serial"] > olds["serial"] or not pair.issued(issuer, leaf)


def _refuse_lower_serial(olds: Mapping[str, Any], news: Mapping[str, Any]) -> None:
    if news["serial"] < olds["serial"]:
        raise CertificatesError(
            f"config meshTlsSerial is {news['serial']:g}, and the certificate that is in use has "
            f"{olds['serial']:g}: set it to that, or to a higher one for a new certificate"
        )


def _refuse_skipped_step(olds: Mapping[str, Any], news: Mapping[str, Any], now: datetime) -> None:
    # Once the authority has expired nothing works, and there is nothing to lose.
    if (olds["rotation"], news["rotation"]) == (NONE, NEW):
        if _is_expired(olds["authority"], now):
            return
        raise CertificatesError(
            "config meshTlsRotation from none to new in one update: requests would fail, as the "
            "linkerds that run do not trust the new authority yet; set it to both, run `pulumi "
            "up`, and then set it to new"
        )


def _refuse_expired(
    plan: _Plan, olds: Mapping[str, Any], news: Mapping[str, Any], now: datetime
) -> None:
    """Refuse where linkerds would be given a certificate that they cannot serve."""
    end = x509.load_pem_x509_certificate(plan.issues[0].encode()).not_valid_after_utc
    if end <= now:
        raise CertificatesError(
            f"the mesh's authority has expired at {pair.when(end)}, so that linkerds refuse each "
            "other: set meshTlsRotation to new for another one and run `pulumi up`, then set it to "
            "none and run it again"
        )
    if _must_be_new(plan, olds, news):
        return
    end = x509.load_pem_x509_certificate(olds["certificate"].encode()).not_valid_after_utc
    if end <= now:
        raise CertificatesError(
            f"linkerd's certificate has expired at {pair.when(end)}, so that linkerds refuse each "
            f"other: `pulumi config set meshTlsSerial {int(olds['serial']) + 1}` and `pulumi up` "
            "give them a new one"
        )


def _refuse_unfinished(
    plan: _Plan, olds: Mapping[str, Any], news: Mapping[str, Any], now: datetime
) -> None:
    """Refuse a step while there are linkerds that an earlier one has not reached."""
    trusted, issues = plan.trusted(now), _name(plan.issues[0])
    names = {_name(each) for each in trusted}
    running = live.linkerds(news["kubeconfig"], news["namespaces"])
    behind = [each for each in running if each.authorities and not _agrees(each, names, issues)]
    if behind and not _is_expired(olds["authority"], now):
        raise CertificatesError(
            f"config meshTlsRotation from {olds['rotation']} to {news['rotation']}: requests would "
            f"fail, as linkerds that run have certificates of an earlier step "
            f"({live.named(behind)}): set it to {olds['rotation']} again, run `pulumi up` until it "
            "succeeds, and then go on"
        )


def _agrees(linkerd: Linkerd, trusted: set[str], issues: str) -> bool:
    """Whether one that runs and one of the next step trust each other."""
    theirs, _, their_issuer = linkerd.authorities.partition(" by ")
    return their_issuer in trusted and issues in theirs.split(",")


def _authorities(trusted: list[str], issues: Issued) -> str:
    return f"{','.join(map(_name, trusted))} by {_name(issues[0])}"


def _name(certificate: str) -> str:
    return issuing.digest(certificate)


def _is_expired(certificate: str, now: datetime) -> bool:
    return x509.load_pem_x509_certificate(certificate.encode()).not_valid_after_utc <= now


def _files(bundle: str, leaf: Issued) -> dict[str, bytes]:
    return {
        tls.AUTHORITIES: bundle.encode(),
        tls.CERTIFICATE: leaf[0].encode(),
        tls.KEY: leaf[1].encode(),
    }
