"""The operator's commands: run the service on one machine, inspect it, administer it."""
