"""Equilibria where one direction of the representation has collapsed, and what leaves them.

- ``activations``: activation functions with their first two derivatives.
- ``network``: one linear layer and a head of one hidden layer, under a loss of two views.
- ``views``: synthetic inputs, with and without two patterns of active units.
- ``stationary``: stationary points to the last digits, by L-BFGS and then Newton.
- ``reduced``: equilibria of the network without the collapsed direction, smooth heads.
- ``gated``: the same for ReLU and LeakyReLU, by a construction that always works.
- ``mirrored``: the collapsed direction and the mirrored units added; odd and even sectors.
- ``curvature``: the Hessian of the odd sector, its terms, its blocks, saturation.
- ``surface``: the loss over a plane of displacements of the collapsed row.
- ``plateau``: how far the loss of a gated head stays constant along that direction.
- ``flow``: gradient flow away from an equilibrium, and the time predicted for it.
- ``descent``: gradient descent with and without noise, and the growth of what is odd.
- ``batch_norm``: batch norm put into an equilibrium so that it changes no embedding.
- ``stacked``: encoders and heads with or without batch norm, one network for each seed.
- ``training_start``: a representation of few directions under a mirrored or generic head.
- ``stacked_training``: descent of all of them at once, and their curvature on the way.
"""
