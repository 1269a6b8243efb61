"""What the operator's commands say when they cannot go on."""


class CanaryError(Exception):
    """Something a person has to put right: one clear line, shown without a traceback."""
