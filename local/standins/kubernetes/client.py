"""A client of the official library for the cluster that a kubeconfig means."""

import os
import ssl
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from kubernetes import config
from kubernetes.client import ApiClient, Configuration
from urllib3 import Retry

from local.standins.kubernetes import kubeconfig
from local.standins.kubernetes.settings import Settings

MEMORY = Path("/dev/shm")  # noqa: S108 - only ever a private folder in it
"""Where a file is no more than memory."""

LOOPBACK = "localhost,127.0.0.0/8,::1/128"

CONNECTIONS = 64
"""How many are kept to one API server; the engine works on 16 resources at once or more."""


def client(settings: Settings) -> ApiClient:
    """A client of the active context, by the official client's own reading of the kubeconfig.

    The key of a client certificate reaches OpenSSL through a file. That file is in memory where the
    machine allows it, readable by its owner alone, and gone before this returns.
    """
    configuration = Configuration()
    configuration.connection_pool_maxsize = CONNECTIONS
    # All that this plugin asks for may safely be asked twice: reads, server-side applies, and
    # deletes of one object by its uid.
    configuration.retries = Retry(
        total=3, connect=1, read=2, redirect=0, backoff_factor=0.2, allowed_methods=None
    )
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        _loader(settings)(
            context=settings.context or None,
            client_configuration=configuration,
            persist_config=False,
            temp_file_path=folder,
        )
        _reach_loopback_directly(configuration, settings)
        tls = _tls(configuration) if configuration.host.startswith("https") else None
    configuration.ssl_ca_cert = configuration.cert_file = configuration.key_file = None
    api = ApiClient(configuration)
    if tls is not None:
        api.rest_client.pool_manager.connection_pool_kw["ssl_context"] = tls
    return api


def _reach_loopback_directly(configuration: Configuration, settings: Settings) -> None:
    """Keep the environment's proxy from this machine's own addresses, as kubectl does.

    A proxy that the kubeconfig names is used for them, too.
    """
    if not kubeconfig.active(settings).cluster.get("proxy-url"):
        configuration.no_proxy = ",".join(filter(None, (configuration.no_proxy, LOOPBACK)))


def _tls(configuration: Configuration) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    return context


def _loader(settings: Settings) -> Callable[..., None]:
    paths = os.pathsep.join(map(str, kubeconfig.paths(settings)))
    if paths:
        return partial(config.load_kube_config, paths)
    content = kubeconfig.parsed(settings.kubeconfig, "the provider's kubeconfig")
    return partial(config.load_kube_config_from_dict, content)
