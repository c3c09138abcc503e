"""``shrutlekh keys``: a module for each command. They work on the database that the settings name."""
