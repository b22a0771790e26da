"""What makes training fast without changing a number.

Here: the small form of a network, and the devices that a training uses. Not here: anything
that a result depends on. Without this package the course gives the same numbers, later.
"""
