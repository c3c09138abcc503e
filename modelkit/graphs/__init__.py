"""Graphs of CTC models: exported, made smaller, rewritten, compared with what they were made from."""
