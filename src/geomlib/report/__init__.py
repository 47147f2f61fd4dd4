"""Measure a head of your own: a backbone, a head and images in, one page out.

- ``given``: a model from a factory of yours and its weights from a checkpoint.
- ``measure``: everything that the page shows, as numbers.
- ``page``: these numbers as one HTML file that needs no network.

``python -m geomlib.report --help`` does the three in turn.
"""
