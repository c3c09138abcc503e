"""HTTP building blocks shared by the routes."""
