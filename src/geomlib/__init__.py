"""The library under the book on the geometry of projection heads.

Floors, from the ground up (imports go down only):

- ``checks``: guards with errors that name the argument, the rule and the value.
- ``params``, ``places``: parameters as one vector; where a run may read and write.
- ``data``, ``hessian``, ``losses``, ``models``, ``rank``: tools that do not know each
  other.
- ``training``, ``orbits``: join a model, a loss and data.
- ``whitening``: closed forms of the first chapter.
- ``figures``, ``sizes``, ``claims``: what only notebooks use.
"""

__version__ = "0.1.0"
