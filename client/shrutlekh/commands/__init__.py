"""A file for each command of ``shrutlekh``. They import what is slow to import when they are called."""
