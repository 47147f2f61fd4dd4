"""How strongly each layer of an encoder and its head weighs each feature of the input.

- ``features``: inputs of independent features, and the weights that a loss wants.
- ``closed_form``: weights of the layers below, of unequal layers, under weight decay.
- ``linear``: linear layers trained by gradient flow, to compare with these.
- ``phase``: which features a few labels read better before the head than after it.
- ``flipped_signs``: four inputs on which a head drops what its ReLU encoder holds.
- ``reading``: linear probes with and without a scale, and shares of variance.
"""
