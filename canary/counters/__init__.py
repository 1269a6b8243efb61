"""linkerd's counters, by which a canary is watched: read from every linkerd, and added up."""
