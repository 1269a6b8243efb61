"""What the operator's commands say when they cannot go on."""

from canary import exits


class CanaryError(Exception):
    """Something a person has to put right: one clear line, shown without a traceback."""

    def __init__(self, message: str, code: int = exits.CANNOT) -> None:
        super().__init__(message)
        self.code = code
        """The exit code of the command."""
