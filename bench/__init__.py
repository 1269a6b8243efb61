"""What the project costs: each figure against a floor or a peer in the same run."""
