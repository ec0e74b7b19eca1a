//! Cloudflare: credentials, and one folder per service.

pub mod credentials;
pub mod r2;
