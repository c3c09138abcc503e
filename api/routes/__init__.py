"""The routes, a file for each idea."""
