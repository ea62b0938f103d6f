"""Training jobs of the web app: their files, their progress, and where a served model lies."""
