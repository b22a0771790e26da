"""The library of *Five Models and a Ceiling*, a course on super-resolution.

Importing it does no work. Each module does one thing:

- ``places``: where the files of the course are: in a clone, or on Kaggle
- ``data``: where photos are found, and how a photo becomes a training pair
- ``metrics``: PSNR, SSIM, the baselines, and the ceiling of a picture made of blocks
- ``models``: the five networks of the article
- ``backbone``: the frozen features that Models 4 and 5 look at
- ``small``: the same network with less work
- ``devices``: one processor, several GPUs or several machines; half precision
- ``training``: fit, predict, score
- ``results``: the records of finished runs, read and compared
- ``verdicts``: the article's claims, decided from the records
- ``experiments``: the runs, and how several workers share them
- ``plots``: figures; only chapters use it
- ``notebook``: the few helpers that a chapter's cells call
- ``download``: a verified download of PASCAL VOC 2007
- ``provenance``: digests and versions: what a number was made with
"""

__version__ = "0.1.0"
