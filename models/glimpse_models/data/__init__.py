"""Pictures on disk: data sets, labels, and the preprocessing that serving applies."""
