//! What several providers speak. Providers import dialects, never each other.

pub mod s3;
