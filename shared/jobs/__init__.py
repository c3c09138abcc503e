"""The jobs: tables, life cycle, and everything that is done with them."""
