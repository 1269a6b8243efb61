"""What the local commands say when they cannot go on."""


class LocalError(Exception):
    """Something a person has to put right: one clear line, shown without a traceback."""
