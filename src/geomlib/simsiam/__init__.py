"""SimSiam's heads near collapse: the field they follow, how fast it leaves, who leaves.

- ``objective``: the loss as a function of two copies of the parameters, online and target.
- ``field``: what descent with stop-gradient follows, no gradient, and its Jacobian.
- ``growth``: the leading growth rate, the Jacobian's rightmost eigenvalue.
- ``dynamics``: the flow along the field, and descent with a step of its own.
- ``end_to_end``: backbone and heads trained together, from views of images.
- ``estimator``: the published estimate of a smallest eigenvalue, iterate by iterate.
- ``heads``: projectors and predictors, many runs stacked.
- ``bank``: features that a frozen, random backbone gives of views of images.
- ``grid``: training of all heads, rates, starts and seeds at once on such banks.
- ``escape``: spread of outputs, who escapes, Wilson's interval.
- ``blocks``: Hessian of a loss in the representations, sample by sample.
- ``tracked``: that of SimSiam's loss, exact and as the published tracker estimates it.
- ``resume``: results that take long, kept for a run that was stopped.
- ``published``: figures quoted from the published experiment, and its released arrays.
"""
