"""A kubeconfig to what a request to its cluster takes, by the official client's own loader."""

import os
import re
import ssl
import sys
import tempfile
from base64 import b64decode
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import urllib3
from requests.adapters import HTTPAdapter

from kube import exec_plugin, lazily, merged
from kube.errors import KubeconfigError
from kube.merged import Entry
from kube.minified import Minified, minified

_CERTIFICATES = ("client-certificate", "client-certificate-data")
_DATA = ("certificate-authority-data", "client-certificate-data", "client-key-data")

_LEGAL = "!#$&'*+-.^_`|~"
"""What a header's name may hold beside letters and digits."""


@dataclass(frozen=True)
class Cluster:
    """How to reach an API server and who asks."""

    server: str
    headers: dict[str, str] = field(repr=False)
    impersonation: tuple[tuple[str, str], ...]
    """The headers by which its user asks to be another one; a name may come more than once."""
    tls: ssl.SSLContext | None
    server_name: str | None
    """The name its certificate must have, where that is not the address."""
    proxy: str | None


class Adapter(HTTPAdapter):
    """Requests to a cluster with its own TLS settings and no other's."""

    def __init__(self, cluster: Cluster) -> None:
        self._impersonation = cluster.impersonation
        self._pool = {"ssl_context": cluster.tls, "server_hostname": cluster.server_name}
        # One connection for each request of a round that asks every node at a time.
        super().__init__(pool_maxsize=_CONCURRENT)

    def build_connection_pool_key_attributes(
        self, request: Any, verify: Any, cert: Any = None
    ) -> tuple[Any, Any]:
        """Where to connect and by which TLS settings: the context's alone."""
        host, _ = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {key: value for key, value in self._pool.items() if value is not None}

    def add_headers(self, request: Any, **kwargs: Any) -> None:
        """Add the impersonation, whose headers a dict of requests would join with commas."""
        super().add_headers(request, **kwargs)
        if self._impersonation:
            request.headers = urllib3.HTTPHeaderDict(request.headers)
            for name, value in self._impersonation:
                request.headers.add(name, value)

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Add no CA bundle to the context: requests would trust the public ones too."""


_CONCURRENT = 128
"""Connections to a server that are kept; more are opened where more requests are under way."""

_SERVER = re.compile(r"https?://[^\s/?#]+[^\s?#]*")
"""An API server's URL; it may have a path, as behind a gateway."""


@dataclass
class _Settings:
    """What the official loader sets on the client configuration that it is handed."""

    host: str = ""
    api_key: dict[str, str] = field(default_factory=dict)
    ssl_ca_cert: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    verify_ssl: bool = True
    tls_server_name: str | None = None
    proxy: str | None = None
    refresh_api_key_hook: Any = None


def load(given: str | None, context: str | None) -> Cluster:
    """The cluster of a kubeconfig, given as a path or as its content, or of the ambient one.

    Credentials are asked for anew: tokens read from their files, exec plugins run. Key material is
    never in a file that outlives this process.

    Raises KubeconfigError.
    """
    found = minified(given, context)
    user = _static_user(found)
    with _nameless_files() as nameless:
        cluster = nameless.in_place_of_data(found.cluster)
        settings = _loaded(replace(found, cluster=cluster, user=nameless.in_place_of_data(user)))
        if not _is_server(settings.host):
            raise KubeconfigError(
                f"{found.where} has no URL such as 'https://HOST:6443' as the server of its cluster"
            )
        if settings.proxy and not settings.proxy.lower().startswith(("http://", "https://")):
            kind = settings.proxy.partition(":")[0][:20]
            raise KubeconfigError(
                f"{found.where} has a proxy-url of the kind {kind!r}; only http and https proxies "
                "are supported: give one of these, or a tunnel's own address as the server"
            )
        return Cluster(
            server=settings.host,
            headers=_headers(settings, found.where),
            impersonation=_impersonation(found.user or {}),
            tls=_tls(settings, found.where) if settings.host.startswith("https:") else None,
            server_name=settings.tls_server_name,
            proxy=settings.proxy,
        )


def _is_server(url: str) -> bool:
    try:
        return _SERVER.fullmatch(url) is not None and urlsplit(url).port != 0
    except ValueError:  # `https://[::1`, or a port above 65535
        return False


def _static_user(found: Minified) -> Entry:
    """The user's entry with what its token file and its exec plugin give in place of them.

    As client-go has it: a plugin is not run for a user with another credential, and no credential
    is sent without TLS.
    """
    user = dict(found.user or {})
    run = user.pop("exec", None)
    if not str(found.cluster.get("server")).startswith("https:"):
        return {}
    if path := user.pop("tokenFile", None):
        user["token"] = _token(Path(path), user.get("token"), found.where)
    if user.get("username") or user.get("password"):
        user = {"username": "", "password": "", **user}
    has_own = any(user.get(key) for key in ("token", "username", *_CERTIFICATES))
    if run and not has_own:
        user |= exec_plugin.credential(run, found.cluster, found.where)
    return user


def _token(file: Path, otherwise: str | None, where: str) -> str:
    """The token in a file, which goes before one that the entry itself holds."""
    try:
        return file.read_text().strip() or otherwise or ""
    except (OSError, ValueError) as error:
        if otherwise:
            return otherwise
        reason = error.strerror if isinstance(error, OSError) else "not a text"
        raise KubeconfigError(f"{where}: its tokenFile {file} cannot be read: {reason}") from None


def _loaded(found: Minified) -> _Settings:
    """What the official loader makes of a kubeconfig without exec plugin."""
    kube_config = _official()
    settings = _Settings()
    try:
        kube_config.load_kube_config_from_dict(found.config, None, settings, persist_config=False)
    except kube_config.ConfigException as error:
        raise KubeconfigError(f"{found.where} cannot be used: {_without_values(error)}") from None
    except OSError as error:
        raise KubeconfigError(f"{found.where} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise KubeconfigError(f"{found.where} is malformed") from None
    return settings


def _official() -> Any:
    """The official client's module; only an operation on a cluster pays for its import."""
    return lazily.module("kubernetes.config.kube_config")


def ambient_context(server: str) -> str | None:
    """The context of the ambient kubeconfig that leads to a server, or None."""
    try:
        found = merged.read(None)
    except KubeconfigError:
        return None
    clusters = found.entries["clusters"]
    # The current one first: of several users of a server it is the one that works here.
    for name in sorted(found.entries["contexts"], key=lambda each: each != found.current_context):
        used = clusters.get(str(found.entries["contexts"][name].value.get("cluster")))
        if used and str(used.value.get("server")).rstrip("/") == server:
            return name
    return None


def _without_values(error: Exception) -> str:
    """A loader's message up to where it quotes an entry, which may hold a token."""
    return str(error).partition("{")[0].strip()[:300]


def _impersonation(user: Entry) -> tuple[tuple[str, str], ...]:
    """The headers by which the user asks to be another one; some come more than once."""
    if not user.get("as"):
        return ()
    headers = [("Impersonate-User", user["as"])]
    if user.get("as-uid"):
        headers.append(("Impersonate-Uid", user["as-uid"]))
    headers += [("Impersonate-Group", group) for group in user.get("as-groups") or []]
    for key, values in (user.get("as-user-extra") or {}).items():
        headers += [(f"Impersonate-Extra-{quote(key, safe=_LEGAL)}", value) for value in values]
    return tuple(headers)


def _headers(settings: _Settings, name: str) -> dict[str, str]:
    token = settings.api_key.get("BearerToken", "").strip()  # a token file ends with a new line
    if not token.isprintable():
        raise KubeconfigError(f"{name} has a token with a line break or the like in it")
    return {"Authorization": token} if token else {}


class _SharedContext(ssl.SSLContext):
    """For many connections at a time.

    urllib3 gives each new connection's context its protocols once more. OpenSSL frees the former
    ones then, also while another thread's handshake reads them.
    """

    _protocols: Sequence[str] = ()

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        """Set them where they are others than before."""
        wanted = tuple(alpn_protocols)
        if wanted != self._protocols:
            super().set_alpn_protocols(wanted)
            self._protocols = wanted


def _tls(settings: _Settings, name: str) -> ssl.SSLContext:
    try:
        context = _SharedContext(ssl.PROTOCOL_TLS_CLIENT)  # which checks certificates and names
        if settings.ssl_ca_cert:
            context.load_verify_locations(cafile=settings.ssl_ca_cert)
        else:
            context.load_default_certs()
        context.set_alpn_protocols(["http/1.1"])
        if settings.cert_file:
            # Without a password to try, OpenSSL would ask the terminal for one.
            context.load_cert_chain(settings.cert_file, settings.key_file, password="")
    except (OSError, ssl.SSLError):  # whose text says no more than a line of OpenSSL's sources
        raise KubeconfigError(
            f"{name} holds a certificate or key that cannot be read, or that do not belong together"
        ) from None
    if not settings.verify_ssl:
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class _NamelessFiles:
    """Files for what OpenSSL reads from a file only. They have no name that a kill could leave."""

    def __init__(self) -> None:
        self.opened: list[int] = []

    def in_place_of_data(self, entry: Entry) -> Entry:
        """An entry whose certificates and keys are in files instead of in itself."""
        kept = {key: value for key, value in entry.items() if key not in _DATA}
        written = {
            key.removesuffix("-data"): self._written(b64decode(entry[key]))
            for key in _DATA
            if entry.get(key)
        }
        return {**kept, **written}

    def _written(self, content: bytes) -> str:
        descriptor = _nameless_file()
        self.opened.append(descriptor)
        with open(descriptor, "wb", closefd=False) as file:
            file.write(content)
        os.lseek(descriptor, 0, os.SEEK_SET)  # /dev/fd shares the position
        return f"/proc/self/fd/{descriptor}" if sys.platform == "linux" else f"/dev/fd/{descriptor}"


@contextmanager
def _nameless_files() -> Iterator[_NamelessFiles]:
    files = _NamelessFiles()
    try:
        yield files
    finally:
        for descriptor in files.opened:
            os.close(descriptor)


def _nameless_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("key", os.MFD_CLOEXEC)
    descriptor, name = tempfile.mkstemp()  # mode 0600
    Path(name).unlink()
    return descriptor
