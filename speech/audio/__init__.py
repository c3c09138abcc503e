"""Decode recordings into blocks of samples."""
