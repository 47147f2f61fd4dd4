"""Several shortcuts at once: what each method takes away, and what it makes worse.

- ``gaps``: how much accuracy falls where a cue is not the common one; a toy of votes.
- ``mixtures``: batches in which cues are exchanged or groups weighed.
- ``momentum_training``: descent on such batches, with one head or by contrast.
- ``ensemble``: the Last Layer Ensemble, one head a mixture and a judge of the mixture.
- ``readout``: linear classifiers of frozen features, on biased or balanced examples.
- ``frozen``: features of UrbanCars under a network of torchvision.
- ``watermark``: transparent text over an image, as a transform of torchvision.
- ``watermarked``: training on marked images of one class, and what the mark changes.
"""
