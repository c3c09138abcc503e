"""``python -m training``: the recipe of the default model, one command per step; `all` runs every step."""

import typer

from training.commands import adapt, data, everything, models, runs

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
for part in (everything, data, runs, models, adapt):
    app.add_typer(part.app)

if __name__ == "__main__":
    app()
