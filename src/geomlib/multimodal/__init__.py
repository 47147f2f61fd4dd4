"""Versatile networks: video, sound and text in common spaces, and networks of frames.

- ``moving_digits``: videos of handwritten digits that move in six ways.
- ``recordings``: spoken digits of a public set, read and drawn from.
- ``spoken_digits``: that set from the network, compared with a checksum.
- ``tones``: what stands in for them: synthesised, of ten digits and six speakers.
- ``log_mel``: power in bands of pitch, over time, logarithmic.
- ``captions``: sentences that name a digit, often the wrong one, and their word counts.
- ``nce``: losses over pairs of two modalities, and over bags of candidates.
- ``graphs``: shared, disjoint, and fine and coarse embedding spaces.
- ``versatile``: three towers under one graph, trained and embedded.
- ``retrieval``: nearest neighbours across modalities, and their precision.
- ``separable``: a small video network whose kernels see space or time, never both.
- ``large_video``: TorchVision's S3D, a separable network of practical size.
- ``deflation``: a video network turned into one of single frames.
- ``recalibration``: its batch norms fitted to the video network.
"""
