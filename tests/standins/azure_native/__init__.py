"""A resource plugin that stands in for Pulumi's `azure-native`: an Azure that is a file.

README.md says what it does as the real one does, and what it does not.
"""

VERSION = "3.29.0"
"""The release of pulumi-azure-native whose SDK it serves, and whose types it checks by."""
