"""From blocks of samples to segments and batches."""
