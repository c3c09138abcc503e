"""Acoustic models, a module per family."""
