"""A user's own images: read, judged, answered for, and turned into a classifier."""
