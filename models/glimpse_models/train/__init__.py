"""Training: recipes, batches, augmentation, the network and its run on disk."""
