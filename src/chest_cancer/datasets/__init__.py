"""The project's own Kedro datasets: the only code that opens files or sockets for the pipelines."""
