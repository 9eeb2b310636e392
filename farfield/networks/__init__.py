"""Networks in use: weights read from files, features of all images."""
