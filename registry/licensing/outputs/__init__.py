"""What a verdict asks to be written down: credit texts, NOTICE bundles and bills of materials. Pure."""
