"""What the tests start for themselves: real programs on loopback, ended by their process ids."""
