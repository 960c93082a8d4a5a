"""What the project tries: experiment files, and examples that act."""
