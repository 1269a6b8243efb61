"""Kubeconfigs as kubectl reads them, and requests to the API servers that they lead to."""
