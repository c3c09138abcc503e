"""Synthetic speech: espeak-ng and Kokoro."""
