pub mod credentials;
pub mod spaces;
