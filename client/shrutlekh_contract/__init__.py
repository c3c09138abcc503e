"""Declarations that the service and its clients share: options, statuses, formats, model cards.

Every part of the service and the client import this package; it imports none of them.
"""
