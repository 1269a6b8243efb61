"""The stack that a command is about: its state, its config, its last commit and its history."""
