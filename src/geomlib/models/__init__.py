"""Networks of the book.

- ``encoders``: small convolutional encoders of images, and plain heads.
"""
