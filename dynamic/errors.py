"""What can go wrong with a dtab, beside what can on the way to it (kube/errors.py)."""

from kube.errors import OneLineError


class ServiceMissingError(OneLineError):
    """404 of what lies before namerd, or of a cluster without the kind of object."""


class RefusedError(OneLineError):
    """namerd, or the API server, does not take the table."""


class ExistsError(OneLineError):
    """The table exists already."""


class StaleError(OneLineError):
    """The table is no longer the one that was read."""


class ConflictError(OneLineError):
    """Somebody else changed the table."""


class NoEndpointsError(OneLineError):
    """A branch whose weight rises has nothing that could answer."""


class NotServedError(OneLineError):
    """namerd took the table and does not serve it, or does not bind its branches."""


class NotFollowedError(OneLineError):
    """A linkerd does not follow the table that is in force."""


class WrongClusterError(OneLineError):
    """The cluster is another than the one that the state's table is on."""


class AbandonedError(OneLineError):
    """The engine that asked for the write ended before it could take note of it."""
