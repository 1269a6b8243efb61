"""A rollout: the weight rises step by step while the analysis passes, and falls when it fails."""
