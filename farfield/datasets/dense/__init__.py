"""Datasets with a target for every pixel: what they hold, and how they are packed and validated."""
