"""The weights and times of decoding, fitted to recordings."""
