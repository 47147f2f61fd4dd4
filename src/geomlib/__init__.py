"""The library under the book on the geometry of projection heads.

Floors, from the ground up (imports go down only):

- ``checks``: guards with errors that name the argument, the rule and the value.
- ``params``, ``places``: parameters as one vector; where a run may read and write.
- ``data``, ``hessian``, ``losses``, ``models``, ``rank`` and so on: tools that do not know
  each other.
- ``training``, ``orbits``, ``probes``: join a model, a loss and data.
- ``whitening``, ``collapse``, ``simsiam`` and so on: what a chapter needs alone.
- ``figures``, ``sizes``, ``claims``: what only notebooks use.
- ``report``, ``sweep``: two commands.
"""

__version__ = "0.1.0"
