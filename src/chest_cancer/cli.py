"""The project's own commands: `kedro record …`."""

import json

import click

from chest_cancer.network.classifier import MANIFEST_FILE


@click.group(name="chest_cancer")
def cli() -> None:
    """Commands of this project."""


@cli.group()
def record() -> None:
    """The experiment record and the model registry."""


@record.command()
def send() -> None:
    """Send the runs that the tracking server lacks, oldest first."""
    from chest_cancer.record import delivery, registry, tracking

    runs = delivery.unsent()
    for run_id in runs:
        sent = delivery.send(run_id)
        artifacts = tracking.local_artifacts(run_id)
        for manifest in (artifacts / tracking.MODEL_FOLDER).glob(f"artifacts/*/{MANIFEST_FILE}"):
            decision = json.loads((artifacts / "promotion.json").read_text())
            try:
                registry.submit(run_id, manifest.read_bytes(), decision)
            except registry.ChampionChangedError:  # comparing needs the images of that run
                registry.submit_undecided(run_id, manifest.read_bytes())
        delivery.close(run_id)
        if sent:
            counts = ", ".join(f"{count} {name}" for name, count in sent._asdict().items())
            click.echo(f"Run {run_id}: {counts}.")
    click.echo(f"{len(runs)} runs sent." if runs else "Nothing to send.")


@record.command()
def rollback() -> None:
    """Make the former champion the champion again."""
    from chest_cancer.record import registry

    former, current = registry.roll_back()
    click.echo(f"{registry.MODEL}: version {current} is champion again, version {former} was.")


@record.command()
@click.argument("version")
def promote(version: str) -> None:
    """Make a version champion by hand, whatever the gate said."""
    from chest_cancer.record import registry

    registry.promote(version)
    click.echo(f"{registry.MODEL}: version {version} is champion.")
