"""What every stack of this project is held to, as a Pulumi policy pack.

A rule is a function of plain values and knows nothing of Pulumi; `pack` makes policies of them.
Modules here must not be called like one of Python's own: the pack's folder is on its path.
"""
