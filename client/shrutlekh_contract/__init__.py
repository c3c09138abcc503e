"""What crosses the boundaries of the house, declared once: options, statuses, formats, model cards.

Every part of the service and the client import it; it imports none of them.
"""
