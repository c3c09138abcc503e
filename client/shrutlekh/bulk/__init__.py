"""Many recordings from a command line."""
