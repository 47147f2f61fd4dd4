"""Which of the published checkpoints a reader has."""

from collections.abc import Callable
from pathlib import Path

from geomlib.models.checkpoints.dino import dino_resnet, dino_vit
from geomlib.models.checkpoints.pretrained import Pretrained
from geomlib.models.checkpoints.resnets import barlow_twins, vicreg

# Under the names of the original releases.
LOADERS: dict[str, Callable[[Path], Pretrained]] = {
    "dino_deitsmall16_pretrain_full_checkpoint.pth": dino_vit,
    "dino_resnet50_pretrain_full_checkpoint.pth": dino_resnet,
    "resnet50_fullckpt.pth": vicreg,
    "checkpoint.pth": barlow_twins,
}


def found(folder: Path | None) -> list[Path]:
    """Full checkpoints in a folder or in its sub-folder ``checkpoints``, by file name.

    >>> found(None)
    []
    """
    if folder is None:
        return []
    paths: list[Path] = []
    for name in LOADERS:
        present = [p for p in (folder / "checkpoints" / name, folder / name) if p.is_file()]
        paths += present[:1]
    return paths


def load(path: Path) -> Pretrained:
    """Model of a checkpoint that ``found`` lists, by the loader of its name.

    Raises:
        ValueError: If the name is none of the original releases', or the file is not what
            its name says.
    """
    if path.name not in LOADERS:
        raise ValueError(
            f"path must end in one of {', '.join(LOADERS)}, got {path.name!r}. Name the "
            "file as its authors did, or call its loader."
        )
    return LOADERS[path.name](path)
