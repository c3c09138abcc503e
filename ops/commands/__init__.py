"""A module for each command that starts or needs the rest of the house."""
