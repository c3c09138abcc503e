"""``shrutlekh doctor``: a module for each area of an installation, with a small function for each check."""
