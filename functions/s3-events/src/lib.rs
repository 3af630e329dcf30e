//! From S3 events to result objects.
