"""The embedded service: Redis, API, worker and sweeper as child processes."""
