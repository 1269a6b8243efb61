"""What can go wrong on the way to an API server or a program behind it."""


def printable(text: str) -> str:
    r"""A text with `\n`, `\x1b` and the like in place of each character that does not print."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class OneLineError(Exception):
    """Base of all errors that a person reads: one line without secrets, and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(" ".join(message.split())))


class InputError(OneLineError):
    """An address or a credential that no request can be made with."""


class KubeconfigError(OneLineError):
    """The kubeconfig cannot be read, or lacks what reaching the cluster takes."""


class UnreachableError(OneLineError):
    """No answer: nothing listens there, or the name does not resolve."""


class UntrustedError(OneLineError):
    """TLS fails: another authority, another name, or a certificate out of date."""


class TimedOutError(OneLineError):
    """No whole answer within the time for one request."""


class CutShortError(OneLineError):
    """The connection ended before the answer did."""


class DeniedError(OneLineError):
    """403: the cluster does not let them who ask."""


class UnauthorizedError(DeniedError):
    """401: the cluster does not know who asks."""


class UnavailableError(OneLineError):
    """502, 503 or 504: the program asked is not up, or not yet."""


class UnexpectedAnswerError(OneLineError):
    """An answer that the program asked does not give: a redirect, HTML, 500."""
