"""The library of *Five Models and a Ceiling*, a course on super-resolution.

Importing it does no work. What the course teaches stands on this floor:

- ``zoo``: the networks as a table: titles, epochs, weights, parameters
- ``data``: where photos are found, and how a photo becomes a training pair
- ``metrics``: PSNR, SSIM, the baselines, and the ceiling of a picture made of blocks
- ``models``: the networks
- ``training``: fit, predict, score
- ``receptive``: what a network looks at
- ``plots``, ``diagrams``: figures; only chapters use them
- ``notebook``: the few helpers that a chapter's cells call

Behind it, each with a page that says what lives there:

- ``runs``: plans, runs, records and verdicts
- ``fast``: less time, the same numbers
- ``sources``: where photos and weights come from
- ``exercises``: exercises that answer
"""

__version__ = "0.1.0"
