"""Types and shapes are checked at run time in the tests, and only there."""

import jaxtyping
import matplotlib as mpl

mpl.use("Agg")
jaxtyping.install_import_hook(
    "geomlib", "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
)
