"""Talking to a Shrutlekh service: a typed HTTP client and the ``shrutlekh`` command line."""
