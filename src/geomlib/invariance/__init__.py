"""What a head trained for invariance drops, and what the representation keeps.

- ``joint``: encoder and head trained together on views with known parameters.
- ``frozen``: a head trained on the features of an encoder that stands still.
- ``reading``: parameters of the views and classes, read from one space by probes.
- ``energy``: how long a head makes the augmentation's and the classes' directions.
"""
