"""Steps for the authors of this repository: fixtures, references, studies of a model."""
