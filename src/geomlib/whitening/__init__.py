"""What a linear head does to second moments, in closed form and by gradient descent.

- ``moments``: covariance, cross-view covariance, canonical correlations, synthetic pairs.
- ``population``: the losses as functions of second moments, and their minimisation.
- ``sampled``: heads trained on batches, for losses that see more than second moments.
- ``weights``: closed-form weight of each canonical direction, loss by loss.
- ``agreement``: how far a trained head is from the closed form.
- ``recipes``: a loss with its closed form, trained and compared in one call.
- ``spread``: closed-form weights over spreads of the correlations, where known.
- ``landscape``: curvature that a head gives the loss under it.
"""
