"""The story: read → normalise → tile → run → blend → decide → write."""
