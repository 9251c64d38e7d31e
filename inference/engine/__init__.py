"""Where images are made: the only package that imports torch, diffusers or transformers. It runs offline."""
