"""The exit codes of the commands that look at a canary or move it."""

DONE = 0
"""The wish is fulfilled; of `status`: nothing is wrong."""

CANNOT = 1
"""It cannot be done, as one `error:` line says."""

USAGE = 2
"""The command line is wrong."""

FAILED = 3
"""A check failed: a version with weight has no ready pod, or its share is not its weight."""

ABORTED = 4
"""An operator took the rollout back."""

PAUSED = 5
"""A rollout waits for `promote`."""

HELD = 6
"""A rollout holds, or the wait for the share ran out."""

DRIFTED = 7
"""Somebody else's change, config that is not deployed or committed, or a rollout of another's."""

SIGNALLED = 128
"""And the signal's number: ended by it, as shells have it."""

INTERRUPTED = 130
"""Ended by SIGINT."""

TERMINATED = 143
"""Ended by SIGTERM."""
