"""The network, its weights on disk, and how to export them as a model folder. Needs torch."""
