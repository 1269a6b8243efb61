"""What a config value that cannot be used raises."""


class SettingsError(Exception):
    """A config value that cannot be used: its key, the value, what is allowed."""
