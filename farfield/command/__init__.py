"""What `farfield` does when it is called by name."""
