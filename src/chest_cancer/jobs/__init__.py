"""Training jobs of the web app: their files and progress, and the place of the served model."""
