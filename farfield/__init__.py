"""Visual learning beyond natural images: the craft, free of paths and of DVC."""
