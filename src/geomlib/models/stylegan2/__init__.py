"""StyleGAN2's generator, with its style space in the open.

- ``linear``: a linear layer whose weights are scaled as it runs.
- ``filters``: doubling the resolution with a low-pass filter.
- ``modulated``: a convolution whose weights each image scales for itself.
- ``mapping``: from Gaussian z to the latent w.
- ``synthesis``: from styles to an image, and from w to the styles.
- ``generator``: both together, and the channels of the official models.
- ``placeholders``: an official pickle read without running anything from it.
- ``official``: weights of such a pickle.
- ``rosinality``: weights in the layout of another implementation, whose files are plain.
"""
