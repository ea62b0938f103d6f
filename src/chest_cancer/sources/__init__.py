"""Images on their way in: from a folder, an archive or the network into a folder of the project."""
