"""``python -m ops`` is ``shrutlekh``."""

from ops.cli import main

if __name__ == "__main__":
    main()
