"""Training data: downloaded packages, packed corpora, and the training store."""
