"""What an operator runs: the service on one machine, its inspection and its administration."""
