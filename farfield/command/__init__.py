"""What `farfield` does when it is called by name."""

from farfield.process import prepare

prepare()
