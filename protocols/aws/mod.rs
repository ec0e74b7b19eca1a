//! Amazon Web Services: credentials, and one folder per service.

pub mod credentials;
pub mod s3;
