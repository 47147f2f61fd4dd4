"""Curvature of a loss: eigenvalues with error bounds, densities, traces.

- ``operator``: Hessian, Gauss-Newton matrix, their difference, blocks, sums.
- ``model``: a loss on an ``nn.Module`` as a function of its parameters, model untouched.
- ``lanczos``: both ends of a spectrum from one Krylov run, each value with its bound.
- ``tracker``: both ends along a training run, from the last measurement's vectors.
- ``dense``, ``trace``, ``density``: the whole matrix, its trace, its spectral density.
- ``known``: operators of known spectrum, to try all this on.
- ``distributed``: an operator summed over processes.
"""
