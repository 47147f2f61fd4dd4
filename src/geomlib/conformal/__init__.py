"""Intervals that hold: from predicted quantiles to a risk bounded with known confidence.

- ``pinball``: the loss whose minimiser is a quantile.
- ``intervals``: predicted intervals widened by a scale, and the share of outputs missed.
- ``bounds``: upper confidence bounds on a mean of independent losses: Hoeffding, betting.
- ``risk_control``: the smallest scale whose risk such a bound keeps below a level.
- ``splits``: how often the promise breaks, over many splits into calibration and rest.
"""
