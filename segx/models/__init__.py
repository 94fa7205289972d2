"""Networks: an Xception encoder, a decoder that one key swaps, and their heads."""
