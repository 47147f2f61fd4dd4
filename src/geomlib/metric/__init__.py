"""The metric that a head pulls back onto representation space, and how it varies.

- ``pullback``: J^T J at each sample, in chunks, or as a field to differentiate.
- ``spread``: how far the metrics of many samples are from one metric, three measures.
- ``tangent``: the share of a metric along a given direction, such as the nuisance's.
- ``effective_rank``: how many directions a metric sees.
- ``curvature``: how fast a head's Jacobian turns along a direction.
- ``geodesic``: shortest curves of a metric field, by descent on the energy.
- ``grid_path``: where that descent may start, in the plane.
"""
