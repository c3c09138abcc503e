"""``shrutlekh admin``: a file for each of its commands, which work on the settings' own database."""
