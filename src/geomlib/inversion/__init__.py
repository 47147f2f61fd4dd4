"""From a corrupted image back to the styles that made it, with intervals that hold.

- ``resumable``: training that goes on where it stopped.
- ``gan``: a small StyleGAN2 trained on digits.
- ``style_space``: styles in units of their own spread, and the images they make.
- ``faces``: a generator of faces that the reader has.
- ``bank``: images of a large generator, made once and kept.
- ``corruption``: fewer and noisier pixels.
- ``encoder``: training of an encoder with quantile heads on generated pairs.
- ``calibration``: what its intervals miss, corruption by corruption.
- ``posterior``: what is left open about the styles, by linear-Gaussian algebra.
- ``most_likely``: the styles that noisy pixels make most likely, by descent.
- ``weighted``: the posterior of styles by weighting random ones.
"""
