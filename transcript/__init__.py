"""What was said: words with times, numbers in digits on request, and the files that people take it home in.

Pure Python over plain values: the engine makes transcripts, the front end shows them, and the front end has
no numpy.
"""
