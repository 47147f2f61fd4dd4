"""Networks of the book.

- ``encoders``: small convolutional encoders of images, and plain heads.
- ``heads``: projection heads by their depth, and one of fixed weights.
- ``resnet``: ResNet-18 for images of 32x32 pixels, with any norm.
- ``backbones``: torchvision's networks without their classifiers.
- ``published_weights``: torchvision's weights, read as tensors alone.
- ``untrained``: networks at random initialisation, and a small transformer.
- ``checkpoints``: published models with their heads, from files of the reader's.
- ``minilm``: a sentence encoder, from files with known checksums.
- ``word_vectors``: a sentence encoder without training.
- ``weight_files``: files with weights, found and checked.
"""
