"""Labelled images, each set in memory as one tensor, and random views of them.

- ``images``: the one form in which every set arrives.
- ``digits``: handwritten digits, 8x8, from scikit-learn.
- ``photographs``: patches of ten photographs, from scikit-image and scikit-learn.
- ``faces``: faces and non-faces, 25x25, from scikit-image.
- ``cifar10``: the reader's own copy, or a download with checksums.
- ``augment``: random views, drawn anew for each image.
- ``poses``: views whose rotation, shift and brightness are known.
- ``composites``: pictures with something pasted or written on them, of two labels.
- ``two_cues``: images whose background and object go with the class.
- ``urban_cars``: UrbanCars from the reader's own folder.
- ``image_orbits``: paths of images under one augmentation that grows stronger.
- ``pydoc_text``: sentences of Python's help texts, and views of them.
"""
