"""The live worker: transcribes several live sessions at once. ``python -m worker.streaming`` runs it."""
