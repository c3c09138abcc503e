"""One training run: batches, augmentation, the training loop, its settings and its measurements."""
