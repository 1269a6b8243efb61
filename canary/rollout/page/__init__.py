"""The page of a rollout: one HTML file without scripts that asks for nothing."""
