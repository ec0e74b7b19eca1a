pub mod credentials;
pub mod r2;
