"""Our own files: written whole or not at all, and found again by what they were made from."""
