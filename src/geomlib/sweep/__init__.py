"""One notebook, many seeds and settings, on many machines.

- ``plan``: the runs of a sweep, from words of the command line.
- ``plain``: a notebook run with plain Python, where there is no Jupyter.
- ``work``: what a worker does: one run, in a process and a folder of its own.
- ``child``: that process.
- ``cluster``: runs handed to Dask's workers, each result kept as it arrives.
- ``table``: the results as one table and one figure.

``python -m geomlib.sweep`` is the command; it needs the extra ``cluster``.
"""
