"""What can go wrong with a dtab, beside what can on the way to it (kube/errors.py)."""

from kube.errors import OneLineError


class ServiceMissingError(OneLineError):
    """404 of what lies before namerd: the cluster has no such service."""


class RefusedError(OneLineError):
    """400: namerd does not take the table."""


class ExistsError(OneLineError):
    """409: the dtab namespace exists already, with other content."""


class StaleError(OneLineError):
    """412: the table is no longer the one that was read."""


class ConflictError(OneLineError):
    """Somebody else changed the table."""


class NoEndpointsError(OneLineError):
    """A branch whose weight rises has nothing that could answer."""


class NotServedError(OneLineError):
    """namerd took the table and does not serve it, or does not bind its branches."""


class AbandonedError(OneLineError):
    """The engine that asked for the write ended before it could take note of it."""
