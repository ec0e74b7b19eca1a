//! DigitalOcean: credentials, and one folder per service.

pub mod credentials;
pub mod spaces;
