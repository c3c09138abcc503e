"""``shrutlekh doctor``: a module for each area of an installation, a function for each check."""
