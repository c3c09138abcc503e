"""Fine-tune a model with a user's own recordings: `shrutlekh train`."""
