"""Run a notebook's code cells with plain Python, where there is no Jupyter.

python tools/run_notebook.py notebooks/implicit_whitening.ipynb size=gpu
"""

import sys
from pathlib import Path

from geomlib.sweep.plain import given_parameters, run

if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    # Figures need no screen. Set before the notebook imports pyplot.
    import matplotlib as mpl

    mpl.use("Agg")
    run(Path(sys.argv[1]), given_parameters(sys.argv[2:]))
