"""Training data: downloaded packages, corpora made small, and the store that all of it becomes."""
