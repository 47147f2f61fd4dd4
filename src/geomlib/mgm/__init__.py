"""Manifold graph metrics: the shape of representations, read off neighbourhoods.

- ``polytopes``: diameter, number of neighbours and affinity of neighbourhoods.
- ``manifolds``: their means over the semantic and over augmentation manifolds.
- ``cosines``: mean cosine of different samples, with the common mean and without it.
- ``drift``: how these cosines move while a network trains.
- ``zoo``: encoders trained by several losses under several augmentations, kept in files.
- ``tasks``: what is read from the encoders of a zoo.
- ``grouping``: which property of the encoders groups their metrics.
- ``prediction``: whether metrics predict scores, with leave-one-out and permutations.
"""
