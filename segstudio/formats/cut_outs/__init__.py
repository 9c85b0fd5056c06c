"""Cut-outs, which only go out."""
