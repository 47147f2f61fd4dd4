"""TorchVision's published weights, read as tensors alone."""

from torch import nn
from torchvision.models import WeightsEnum


def load_published(network: nn.Module, weights: WeightsEnum) -> None:
    """Put published weights into a network of their layout.

    The file is downloaded once into the folder that PyTorch keeps such files in, and then
    compared with the checksum in its name. TorchVision's own builders would unpickle
    whatever lies there; here a file that holds anything but tensors is refused.

    Args:
        network: As TorchVision builds it for these weights.
        weights: Entry of one of TorchVision's lists of weights.

    Raises:
        pickle.UnpicklingError: If the file holds anything but tensors.
        RuntimeError: If the download has another checksum, or another layout.
        urllib.error.URLError: If nothing answers.
    """
    state = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    network.load_state_dict(state)
