"""How good a model is: recordings with their texts, error rates, and comparisons."""
