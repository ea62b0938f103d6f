"""The project's own commands: `kedro record …`, `kedro study`, `kedro phantoms` and `kedro archive …`."""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
from kedro.config import OmegaConfigLoader

from chest_cancer.network.classifier import MANIFEST_FILE
from chest_cancer.network.manifest import Manifest
from chest_cancer.storage.project import project_path


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
    from chest_cancer.record.kept_champion import KeptChampion
    from chest_cancer.storage.project_lock import ProjectHeldError, hold_project

    with suppress(ProjectHeldError), hold_project(project_path(), "kedro record send"):
        delivery.close_abandoned()
    runs = delivery.unsent()
    for run_id in runs:
        sent = delivery.send(run_id)
        artifacts = tracking.local_artifacts(run_id)
        for manifest in (artifacts / tracking.MODEL_FOLDER).glob(f"artifacts/*/{MANIFEST_FILE}"):
            decision, content = json.loads((artifacts / "promotion.json").read_text()), manifest.read_bytes()
            try:
                submitted = registry.submit(run_id, content, decision)
            except registry.ChampionChangedError:  # comparing needs the images of that run
                submitted = registry.submit_undecided(run_id, content)
            submitted = KeptChampion(_served_folder()).serve(submitted, Manifest.read(content))
            click.echo(f"{registry.MODEL}, version {submitted.version}: {submitted.reason}")
        delivery.close(run_id)
        if sent:
            counts = ", ".join(f"{count} {name}" for name, count in sent._asdict().items())
            click.echo(f"Run {run_id}: {counts}.")
    click.echo(f"{len(runs)} runs sent." if runs else "Nothing to send.")


@record.command()
@click.option("--from", "expected", metavar="VERSION", help="Roll back only if this version is still the champion.")
def rollback(expected: str | None) -> None:
    """Make the former champion champion again, and serve it."""
    from chest_cancer.record import registered_files, registry

    registered_files.require_loadable(registry.former_champion(expected)[1])
    former, current = registry.roll_back(expected)
    folder = _serve_champion()
    click.echo(f"{registry.MODEL}: version {current} is champion again, and in {folder}; version {former} was.")


@record.command()
@click.argument("version")
def promote(version: str) -> None:
    """Make a version champion by hand, whatever the gate said, and serve it."""
    from chest_cancer.record import registered_files, registry

    registered_files.require_loadable(version)
    registry.promote(version)
    folder = _serve_champion()
    click.echo(f"{registry.MODEL}: version {version} is champion, and in {folder}.")


@cli.command()
@click.option(
    "--files", required=True, type=click.Path(exists=True, path_type=Path), help="A folder of DICOM files, or a volume."
)
@click.option(
    "--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="A folder for reports and pictures."
)
def study(files: Path, out: Path) -> None:
    """Answer studies by the model that is served, and write DICOM reports for the archive."""
    from chest_cancer.reporting.last_words import RESEARCH
    from chest_cancer.reporting.served_model import ServedModel
    from chest_cancer.reporting.study_answers import answer_studies

    try:
        for line in answer_studies(files, out, ServedModel.load(_served_folder())):
            click.echo(line)
    except (FileExistsError, FileNotFoundError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(RESEARCH)


@cli.command()
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="A folder for the files.")
@click.option("--studies", default=2, show_default=True, type=click.IntRange(1), help="Number of studies.")
@click.option(
    "--slices", type=click.IntRange(1), help="Slices of each study; by default 60 to 200, by the patient's height."
)
@click.option("--side", default=256, show_default=True, type=click.IntRange(64, 1024), help="Rows and columns.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Seed of the whole set.")
def phantoms(out: Path, studies: int, slices: int | None, side: int, seed: int) -> None:
    """Draw synthetic studies, every other one with cancer, and write them as DICOM series."""
    from chest_cancer.imaging.phantoms.study import generate_studies
    from chest_cancer.sources.phantom_studies import write_studies

    if out.is_dir() and any(out.iterdir()):
        raise click.ClickException(
            f"Invalid value received for `--out`. Expected a folder that is empty or not there. Received: {out}, which "
            "holds something. Name another one."
        )
    for study in write_studies(generate_studies(studies, seed, slices=slices, side=side), out):
        diameters = ", ".join(f"{2 * max(lesion.radii):.0f}" for lesion in study.lesions) or "none"
        click.echo(
            f"patient_{study.patient:04d}: {study.label}, {len(study)} slices {study.spacing_mm:.2f} mm apart, "
            f"lesions (mm): {diameters}"
        )
    click.echo(f"Written to {out}: studies, lesion_masks, studies.csv and slices.csv. Synthetic: drawn by a computer.")


@cli.group()
def archive() -> None:
    """An archive of studies, such as a hospital's PACS."""


@archive.command()
@click.option("--files", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path), help="A folder.")
@click.option("--to", required=True, help="dicomweb+https://<host>/<root of its DICOMweb service>")
def store(files: Path, to: str) -> None:
    """Store every DICOM file of a folder that the archive lacks."""
    from kedro.io import DatasetError

    from chest_cancer.sources.archive.account import Account
    from chest_cancer.sources.archive.connection import Archive
    from chest_cancer.sources.archive.location import parse_location
    from chest_cancer.sources.archive.store import store_files

    try:
        location = parse_location(to, "--to", with_query=False)
        account = Account.of(_configured("credentials")["archive"])
        with Archive(location, account, timeout_seconds=30, retries=2, parameter="--to") as opened:
            stored = store_files(files, opened)
    except (DatasetError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{stored.sent} stored, {stored.present} were there before, {len(stored.refused)} refused.")
    for path, reason in stored.refused:
        click.echo(f"{path}: {reason}")
    if stored.refused:
        raise click.exceptions.Exit(1)


def _serve_champion() -> str:
    """Put the champion into the served place, into that of this environment too, and say where they are."""
    from chest_cancer.record.kept_champion import KeptChampion

    folders = dict.fromkeys([_served_folder("local"), _served_folder()])
    for folder in folders:
        KeptChampion(folder).bring()
    return " and ".join(str(folder).removeprefix(f"{project_path()}/") for folder in folders)


def _served_folder(environment: str | None = None) -> Path:
    """The served place, as the catalog names it."""
    return project_path() / str(_configured("catalog", environment)["classifier"]["filepath"])


def _configured(kind: str, environment: str | None = None) -> dict[str, Any]:
    """What the configuration holds of a kind, by default in the environment that runs would have."""
    environment = environment or os.environ.get("KEDRO_ENV")
    loader = OmegaConfigLoader(str(project_path() / "conf"), env=environment, base_env="base", default_run_env="local")
    return dict(loader[kind])
