"""The judgement of a canary: pure functions of counts, which neither read nor change a cluster."""
