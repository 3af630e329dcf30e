"""Published versions in S3."""
