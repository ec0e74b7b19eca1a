pub mod credentials;
pub mod s3;
