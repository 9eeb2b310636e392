"""A method fitted to all images of all classes, saved so that it can be used without the pipeline."""
