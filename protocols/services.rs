//! THE TABLE: every service that is built, in the order of every list, and those of the catalogue that are not yet.

use crate::service::Service;

pub use crate::mockfactory::planned::PLANNED;

pub static SERVICES: &[&Service] =
    &[&crate::aws::s3::SERVICE, &crate::digitalocean::spaces::SERVICE, &crate::cloudflare::r2::SERVICE];

pub fn by_id(id: &str) -> Option<&'static Service> {
    SERVICES.iter().find(|service| service.id == id).copied()
}
