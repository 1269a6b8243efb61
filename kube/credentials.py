"""A kubeconfig to what a request to its cluster takes, by the official client's own loader."""

import logging
import os
import re
import ssl
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import urllib3
from requests.adapters import HTTPAdapter

from kube.errors import KubeconfigError


@dataclass(frozen=True)
class Cluster:
    """How to reach an API server and who asks."""

    server: str
    headers: dict[str, str] = field(repr=False)
    tls: ssl.SSLContext | None
    server_name: str | None
    """The name its certificate must have, where that is not the address."""
    proxy: str | None


class Adapter(HTTPAdapter):
    """Requests to a cluster with its own TLS settings and no other's."""

    def __init__(self, cluster: Cluster) -> None:
        self._pool = {"ssl_context": cluster.tls, "server_hostname": cluster.server_name}
        # One connection for each request of a round that asks every node at a time.
        super().__init__(pool_maxsize=_CONCURRENT)

    def build_connection_pool_key_attributes(
        self, request: Any, verify: Any, cert: Any = None
    ) -> tuple[Any, Any]:
        """Where to connect and by which TLS settings: the context's alone."""
        host, _ = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {key: value for key, value in self._pool.items() if value is not None}

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
    kube_config = _official()
    settings = _Settings()
    name = "the kubeconfig" if given is None or is_content(given) else f"the kubeconfig {given}"
    with _loader_complaints() as complaints, _nameless_files(kube_config):
        try:
            if given is not None and is_content(given):
                kube_config.load_kube_config_from_dict(
                    _parsed(given), context, settings, persist_config=False
                )
            else:
                kube_config.load_kube_config(given, context, settings, persist_config=False)
        except kube_config.ConfigException as error:
            raise KubeconfigError(f"{name} cannot be used: {_without_values(error)}") from None
        except OSError as error:
            raise KubeconfigError(f"{name} cannot be read: {error.strerror}") from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise KubeconfigError(f"{name} is malformed") from None
        if complaints:
            raise KubeconfigError(f"{name} gives no credential: {complaints[0]}")
        if not _SERVER.fullmatch(settings.host):
            raise KubeconfigError(
                f"{name} has no URL such as 'https://HOST:6443' as the server of its cluster"
            )
        if settings.proxy and not settings.proxy.lower().startswith(("http://", "https://")):
            kind = settings.proxy.partition(":")[0][:20]
            raise KubeconfigError(
                f"{name} has a proxy-url of the kind {kind!r}; only http and https proxies are "
                "supported: give one of these, or a tunnel's own address as the server"
            )
        return Cluster(
            server=settings.host,
            headers=_headers(settings, name),
            tls=_tls(settings, name) if settings.host.startswith("https:") else None,
            server_name=settings.tls_server_name,
            proxy=settings.proxy,
        )


def _official() -> Any:
    """The official client's module; only an operation on a cluster pays for its import."""
    from kubernetes.config import kube_config  # noqa: PLC0415

    return kube_config


def is_content(given: str) -> bool:
    """Whether a kubeconfig is given as its content, YAML or JSON, rather than as a path."""
    return "\n" in given.strip() or given.lstrip().startswith("{")


def ambient_context(server: str) -> str | None:
    """The context of the ambient kubeconfig that leads to a server, or None."""
    kube_config = _official()
    try:
        merged = kube_config.KubeConfigMerger(kube_config.KUBE_CONFIG_DEFAULT_LOCATION).config
        clusters = {
            each["name"]: each["cluster"].safe_get("server")
            for each in (merged["clusters"] if merged else [])
        }
        current = merged.value.get("current-context") if merged else None
        contexts = list(merged["contexts"]) if merged else []
        # The current one first: of several users of a server it is the one that works here.
        for context in sorted(contexts, key=lambda each: each["name"] != current):
            if str(clusters.get(context["context"]["cluster"])).rstrip("/") == server:
                return str(context["name"])
    except (kube_config.ConfigException, OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return None


def _parsed(content: str) -> Any:
    import yaml  # noqa: PLC0415  # its C part, where it is built in, reads ten times as fast

    try:
        return yaml.load(content, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" in line {mark.line + 1}" if mark else ""
        raise KubeconfigError(f"the kubeconfig is no YAML{place}") from None


def _without_values(error: Exception) -> str:
    """A loader's message up to where it quotes an entry, which may hold a token."""
    return str(error).partition("{")[0].strip()[:300]


def _headers(settings: _Settings, name: str) -> dict[str, str]:
    token = settings.api_key.get("BearerToken", "").strip()  # a token file ends with a new line
    if not token.isprintable():
        raise KubeconfigError(f"{name} has a token with a line break or the like in it")
    return {"Authorization": token} if token else {}


def _tls(settings: _Settings, name: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.ssl_ca_cert)
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


class _Complaints(logging.Filter):
    """Takes what the loader logs in this thread and goes on after: a plugin that fails."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()
        self.lines: list[str] = []

    def filter(self, record: logging.LogRecord) -> bool:
        if record.thread != self._thread:
            return True
        self.lines.append(" ".join(record.getMessage().split())[:300])
        return False


@contextmanager
def _loader_complaints() -> Iterator[list[str]]:
    complaints = _Complaints()
    logging.getLogger().addFilter(complaints)
    try:
        yield complaints.lines
    finally:
        logging.getLogger().removeFilter(complaints)


_here = threading.local()


@contextmanager
def _nameless_files(kube_config: Any) -> Iterator[None]:
    """Let the loader write what OpenSSL wants to read from a file to one that has no name.

    The loader's own are named, and removed at the end of the process unless that is killed.
    """
    if not getattr(kube_config._create_temp_file_with_content, "nameless", False):
        kube_config._create_temp_file_with_content = _nameless_where_asked(
            kube_config._create_temp_file_with_content
        )
    _here.opened = []
    try:
        yield
    finally:
        for descriptor in _here.opened:
            os.close(descriptor)
        _here.opened = None


def _nameless_where_asked(named: Callable[..., str]) -> Callable[..., str]:
    def create(content: str | bytes, *args: Any, **kwargs: Any) -> str:
        opened = getattr(_here, "opened", None)
        if opened is None:
            return named(content, *args, **kwargs)
        descriptor = _nameless_file()
        opened.append(descriptor)
        with open(descriptor, "wb", closefd=False) as file:
            file.write(content.encode() if isinstance(content, str) else content)
        os.lseek(descriptor, 0, os.SEEK_SET)  # /dev/fd shares the position
        return f"/proc/self/fd/{descriptor}" if sys.platform == "linux" else f"/dev/fd/{descriptor}"

    create.nameless = True  # type: ignore[attr-defined]
    return create


def _nameless_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("key", os.MFD_CLOEXEC)
    descriptor, name = tempfile.mkstemp()  # mode 0600
    Path(name).unlink()
    return descriptor
