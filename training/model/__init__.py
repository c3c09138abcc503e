"""The network, its weights on disk, and the model folder made of them. Needs torch."""
