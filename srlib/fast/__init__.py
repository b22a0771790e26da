"""What makes training fast without changing a number.

Here: the small form of a network (`small`, which is the lesson), and convolutions in other
operations (`rewriting`). Not here: anything that a result depends on. Without this package
the course gives the same numbers, later.
"""
