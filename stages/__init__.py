"""One module a DVC stage: where inputs are, where outputs go. How things work is in `farfield`."""
