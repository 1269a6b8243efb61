"""What can go wrong with a dtab, each as one clear line: what was tried, what came, what to do."""


class DtabError(Exception):
    """Base of all below. Its text is one line without secrets, for the person at `pulumi up`."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class InputError(DtabError):
    """An address or a credential that no request can be made with."""


class KubeconfigError(DtabError):
    """The kubeconfig cannot be read, or lacks what reaching the cluster takes."""


class UnreachableError(DtabError):
    """No answer: nothing listens there, or the name does not resolve."""


class UntrustedError(DtabError):
    """TLS fails: another authority, another name, or a certificate out of date."""


class TimedOutError(DtabError):
    """No whole answer within the time for one request."""


class DeniedError(DtabError):
    """401 or 403: the cluster does not know who asks, or does not let them."""


class ServiceMissingError(DtabError):
    """404 of what lies before namerd: the cluster has no such service."""


class UnavailableError(DtabError):
    """502, 503 or 504: namerd is not up, or not yet."""


class UnexpectedAnswerError(DtabError):
    """An answer that namerd does not give: a redirect, HTML, 500, no Etag."""


class CutShortError(DtabError):
    """The connection ended before the answer did."""


class RefusedError(DtabError):
    """400: namerd does not take the table."""


class ExistsError(DtabError):
    """409: the dtab namespace exists already, with other content."""


class StaleError(DtabError):
    """412: the table is no longer the one that was read."""


class ConflictError(DtabError):
    """Somebody else changed the table."""


class NoEndpointsError(DtabError):
    """A branch whose weight rises has nothing that could answer."""


class NotServedError(DtabError):
    """namerd took the table and does not serve it, or does not bind its branches."""


class AbandonedError(DtabError):
    """The engine that asked for the write ended before it could take note of it."""
