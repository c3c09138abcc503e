"""Benchmarks of the whole system. Each compares measurements of the same run."""
