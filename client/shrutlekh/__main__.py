"""``python -m shrutlekh``: the client's command line."""

from shrutlekh.cli import main

if __name__ == "__main__":
    main()
