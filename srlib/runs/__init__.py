"""What plans, runs, shares, records and judges: a run is done once and leaves one record.

Here: the plans, one run, the queue that several workers share, the records, the verdicts
that are computed from them, and what a number was made with. Not here: how a network is
trained (`srlib.training`) or measured (`srlib.metrics`), and figures.
"""
