"""Kinds of files, written by tools that are not ours, and what the field's own library makes of each."""
