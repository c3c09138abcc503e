"""A training run: batches, augmentation, the training loop, its settings and measurements."""
