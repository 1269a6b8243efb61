"""A resource plugin that stands in for Pulumi's `kubernetes`, on the official Python client.

What it does for a program it does the way pulumi-kubernetes 4.34 does; what it cannot do it refuses
in one line. README.md lists both.
"""

VERSION = "4.34.2"
"""The release of pulumi-kubernetes whose SDK it serves."""
