"""From a corrupted image back to the styles that made it, with intervals that hold.

- ``resumable``: training that goes on where it stopped.
- ``gan``: a small StyleGAN2 trained on digits.
- ``style_space``: styles in units of their own spread, and the images they make.
- ``corruption``: fewer and noisier pixels.
- ``encoder``: training of an encoder with quantile heads on generated pairs.
- ``calibration``: what its intervals miss, corruption by corruption.
- ``posterior``: what is left open about the styles, by linear-Gaussian algebra.
"""
