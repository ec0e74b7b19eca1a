//! AWS REST/XML errors (S3, Route 53).
