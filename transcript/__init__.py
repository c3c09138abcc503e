"""Transcripts: words with times, numbers in digits on request, and the export formats.

Pure Python over plain values. The engine creates transcripts and the API renders them, and the API must not
need numpy.
"""
