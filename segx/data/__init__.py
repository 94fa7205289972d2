"""How training examples are made: from files on disk to batches."""
