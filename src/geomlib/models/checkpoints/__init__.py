"""Published checkpoints that keep their projection heads.

Each loader takes the path of a file that the reader downloaded, and unpickles nothing but
tensors and what is named in ``reading``.

- ``pretrained``: a backbone with its head, as every loader returns it.
- ``reading``: the contents of a file, without running what is in it.
- ``layers``: a head built from the names and shapes of its weights.
- ``resnets``: VICReg and Barlow Twins, ResNet-50.
- ``dino``: DINO, ResNet-50 and ViT-S/16.
- ``found``: which of the four a folder holds.
"""
