//! The catalogue: every service there will be, those built with their operations and those planned.

use serde_json::{Value, json};

use super::planned::{PLANNED, Planned};
use crate::price::{Contents, PACKAGES, Package};
use crate::service::{Level, Provider, Service};
use crate::services::SERVICES;

/// A row of the catalogue, built or not.
#[derive(Clone, Copy)]
pub enum Row {
    Built(&'static Service),
    Planned(&'static Planned),
}

impl Row {
    pub const fn id(self) -> &'static str {
        match self {
            Self::Built(service) => service.id,
            Self::Planned(planned) => planned.id,
        }
    }

    pub const fn provider(self) -> Provider {
        match self {
            Self::Built(service) => service.provider,
            Self::Planned(planned) => planned.provider,
        }
    }

    pub const fn title(self) -> &'static str {
        match self {
            Self::Built(service) => service.title,
            Self::Planned(planned) => planned.title,
        }
    }

    pub const fn price_cents(self) -> u32 {
        match self {
            Self::Built(service) => service.price_cents,
            Self::Planned(planned) => planned.price_cents,
        }
    }
}

/// By provider, in the providers' order; what is built comes first.
pub fn rows() -> impl Iterator<Item = Row> {
    Provider::ALL.into_iter().flat_map(|provider| {
        let built = SERVICES.iter().map(|service| Row::Built(service));
        built.chain(PLANNED.iter().map(Row::Planned)).filter(move |row| row.provider() == provider)
    })
}

pub fn row(id: &str) -> Option<Row> {
    rows().find(|row| row.id() == id)
}

pub fn document() -> Value {
    let services: Vec<Value> = rows().map(show).collect();
    json!({"services": services})
}

fn show(row: Row) -> Value {
    let operations: Vec<Value> = match row {
        Row::Built(service) => service
            .operations
            .iter()
            .map(|operation| {
                let (level, note) = match operation.level {
                    Level::Full => ("full", None),
                    Level::Partial(why) => ("partial", Some(why)),
                    Level::Absent => ("absent", None),
                };
                json!({"name": operation.name, "level": level, "note": note})
            })
            .collect(),
        Row::Planned(_) => Vec::new(),
    };
    json!({
        "id": row.id(),
        "title": row.title(),
        "provider": row.provider().id(),
        "provider_title": row.provider().title(),
        "built": matches!(row, Row::Built(_)),
        "hourly_rate": dollars(row.price_cents()),
        "operations": operations,
    })
}

pub fn packages() -> Value {
    let packages: Vec<Value> = PACKAGES.iter().map(show_package).collect();
    json!({"packages": packages})
}

fn show_package(package: &Package) -> Value {
    let (services, any) = match package.contents {
        Contents::These(these) => (these.iter().map(|id| (*id).to_owned()).collect(), None),
        Contents::Any(count) => (Vec::new(), Some(count)),
        Contents::Everything => (rows().map(|row| row.id().to_owned()).collect::<Vec<String>>(), None),
    };
    json!({
        "id": package.id,
        "title": package.title,
        "hourly_rate": dollars(package.cents),
        "services": services,
        "any_services": any,
    })
}

/// Cents as the number of dollars that JSON shows: 85 is 0.85.
pub fn dollars(cents: u32) -> f64 {
    f64::from(cents) / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_of_the_catalogue_stands_in_it_once() {
        let counts = [(Provider::Aws, 11), (Provider::Azure, 7), (Provider::Gcp, 8), (Provider::DigitalOcean, 6)];
        let more = [(Provider::Supabase, 6), (Provider::Cloudflare, 6), (Provider::Neon, 1)];
        for (provider, count) in counts.into_iter().chain(more) {
            assert_eq!(rows().filter(|row| row.provider() == provider).count(), count, "{provider:?}");
        }
        let mut ids: Vec<&str> = rows().map(Row::id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), rows().count(), "a service is both built and planned");
    }

    #[test]
    fn cents_are_shown_as_dollars() {
        for (cents, want) in [(0, "0.0"), (85, "0.85"), (33, "0.33"), (100, "1.0"), (107, "1.07")] {
            assert_eq!(json!(dollars(cents)).to_string(), want);
        }
    }
}
