"""Code shared by the API and the workers: settings, job life cycle, file store, queue, error codes."""
