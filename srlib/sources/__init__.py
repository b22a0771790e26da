"""Where photos, weights and other files come from, and where new ones go.

Here: the places of a clone and of Kaggle, the verified download, which photos there are
and how one is read, the frozen features with their weights. Not here: what
is done with them (`srlib.data`, `srlib.models`).
"""
