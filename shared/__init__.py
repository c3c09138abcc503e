"""What the API and the workers share: settings, tables, life cycle, file store, queue, error codes."""
