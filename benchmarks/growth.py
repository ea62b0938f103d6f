"""Time and memory as the images become more, each count from an empty folder, and once more with nothing changed."""

from pathlib import Path

from benchmarks import images
from benchmarks.project import Project


def measure(counts: list[int], work: Path) -> str:
    """Measure extraction at each count of phantoms."""
    lines = [
        "| phantoms | extraction, s | per image, ms | whole command, s | peak memory, MB | again, extraction, s |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for count in counts:
        source = images.phantoms(work / f"phantoms_{count}", count)
        project = Project(work / f"project_{count}")
        parameters = {"data_ingestion.source": source.location}
        project.kedro_run(parameters, "--pipelines", "data_ingestion,model_preparation")
        cost, seconds = project.kedro_run({}, "--pipelines", "feature_extraction")
        _, again = project.kedro_run({}, "--pipelines", "feature_extraction")
        extraction = seconds["feature_extraction.extract_features_node"]
        lines.append(
            f"| {count} | {extraction:.1f} | {extraction / count * 1000:.1f} | {cost.wall:.1f} | {cost.memory:.0f} "
            f"| {again['feature_extraction.extract_features_node']:.2f} |"
        )
    return "\n".join(lines)
