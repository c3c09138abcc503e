"""The client's commands, a module each. ``shrutlekh.deferred`` imports a module when its command runs."""
