"""Live sessions, as the API relays them: from a WebSocket to a live worker and back."""
