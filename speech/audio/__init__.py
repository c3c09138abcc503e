"""Recordings as blocks of samples."""
