"""``make capacity``: a queueing simulation of the service, a run that checks it, and the capacity plan."""
