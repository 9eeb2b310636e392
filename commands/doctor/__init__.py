"""Is this checkout sound? What is wrong, what it costs and what to do: `farfield doctor`."""
