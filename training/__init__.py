"""The recipe of the default acoustic model: prepare, train, export, evaluate."""
