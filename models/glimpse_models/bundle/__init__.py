"""The format of a bundle: `bundle.json`, verification, provenance and the model card."""
