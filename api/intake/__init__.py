"""An upload on its way in."""
