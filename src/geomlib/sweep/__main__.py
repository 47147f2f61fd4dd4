"""Run a notebook for many seeds and settings, and put the results into one table.

python -m geomlib.sweep notebooks/x.ipynb --size cpu --seeds 2000:2020 --set width=8,16
"""

import argparse
import io
import sys
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt

from geomlib import figures, places
from geomlib.sweep import plan, table


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0; 1 where a run failed or the scheduler was lost; 2 for bad input."""
    options = _parser().parse_args(arguments)
    try:
        from geomlib.sweep import cluster
    except ModuleNotFoundError as error:
        print(
            f"a sweep needs the package {error.name}: install the extra cluster.",
            file=sys.stderr,
        )
        return 2
    folder = options.output or Path(f"sweep-{options.notebook.stem}")
    try:
        tasks = plan.planned(
            options.notebook,
            size=options.size,
            seeds=plan.seeds_of(options.seeds),
            settings=plan.settings_of(options.set),
        )
        code = plan.code_of(options.notebook)
        with cluster.connected(options.scheduler, num_workers=options.workers) as client:
            failed = cluster.collect(client, code, tasks, folder)
    except cluster.LostError as error:
        print(error, file=sys.stderr)
        return 1
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    done = [(task, found) for task in tasks if (found := cluster.kept(folder, task))]
    for line in failed:
        print(line, file=sys.stderr)
    print(f"{len(done)} of {len(tasks)} runs in {folder}")
    if done:
        _write(table.rows(done), folder)
    return 1 if failed else 0


def _write(found: list[table.Row], folder: Path) -> None:
    """Table and figure, each whole or not at all."""
    places.write_text(folder / "table.csv", table.as_csv(found))
    mpl.use("Agg")
    figures.use_style()
    figure, buffer = table.draw(found), io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150)
    plt.close(figure)
    places.write_bytes(folder / "figure.png", buffer.getvalue())
    print(folder / "table.csv", folder / "figure.png", sep="\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m geomlib.sweep", description=__doc__)
    parser.add_argument("notebook", type=Path)
    parser.add_argument("--size", default="cpu", help="smoke, cpu or gpu")
    parser.add_argument(
        "--seeds", required=True, help="2000:2020, the end left out, or 7,8,11"
    )
    parser.add_argument(
        "--set", action="append", default=[], help="name=value,value; may come again"
    )
    parser.add_argument("--scheduler", default="local", help="local or tcp://host:port")
    parser.add_argument("--workers", type=int, help="local ones; as many as cores if not")
    parser.add_argument("--output", type=Path, help="folder; sweep-NAME if not given")
    return parser


if __name__ == "__main__":
    sys.exit(main())
