"""Linear classifiers on features of frozen networks and on plain pixels, and how well they will do."""
