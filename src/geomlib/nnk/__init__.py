"""Non-negative kernel regression: the neighbours that each carry something new.

- ``kernels``: Gaussian and cosine.
- ``solver``: the quadratic problems of many samples at once, exactly, with a certificate.
- ``restricted``: linear systems of some indices each, side by side.
- ``pruning``: the rule of the authors' code, which is not exact.
- ``neighbourhoods``: candidates, weights and certificate of every sample of a set.
"""
