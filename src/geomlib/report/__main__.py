"""Measure a head of your own and write the page.

python -m geomlib.report --model package:factory --checkpoint f.pt --images folder
"""

import argparse
import sys
from pathlib import Path

import torch

from geomlib import figures
from geomlib.data.folder import images_in
from geomlib.report import given, page
from geomlib.report.measure import measure


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0, or 2 where something given does not fit."""
    parser = argparse.ArgumentParser(prog="python -m geomlib.report", description=__doc__)
    parser.add_argument("--model", required=True, help="package.module:function")
    parser.add_argument("--checkpoint", type=Path, help="weights; fresh ones if not given")
    parser.add_argument("--images", type=Path, required=True, help="folder of images")
    parser.add_argument("--size", type=int, default=32, help="pixels of each side")
    parser.add_argument("--num-images", type=int, help="draw so many of them")
    parser.add_argument("--output", type=Path, default=Path("report.html"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    figures.use_style()
    try:
        images = images_in(
            options.images,
            size=options.size,
            num_images=options.num_images,
            seed=options.seed,
        )
        backbone, head = given.built(options.model)
        if options.checkpoint is not None:
            given.load_weights(backbone, head, options.checkpoint)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        report = measure(
            backbone.to(device), head.to(device), images.to(device), seed=options.seed
        )
    except (ValueError, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return 2
    page.write(report, options.output, title=f"The head of {options.model}")
    print(options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
