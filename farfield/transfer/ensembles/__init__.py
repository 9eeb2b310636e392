"""Ensembles of source models: linear heads on the pooled stage features of M backbones.

All work on features alone. For each model: support [E, way, shot, D] and query [E, Q, D], where D is
the sum of `stage_dims`, the widths of its pooled stages from the first to the last.
"""
