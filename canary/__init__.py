"""The operator's commands: `python -m canary …`."""
