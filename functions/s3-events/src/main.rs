//! The Lambda function behind S3: configuration in, parts built, events handed over.

fn main() {}
