//! Which services an environment gets: those named, or what a package or a provider stands for.

use http::StatusCode;

use super::catalogue::{self, Row};
use super::fields::invalid;
use crate::fault::{Error, WireError};
use crate::price::{self, Contents, Package, Quote};
use crate::service::Provider;
use crate::services::SERVICES;

/// The provider of an environment that holds services of several.
pub const MULTI_CLOUD: &str = "multi-cloud";

/// What was asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish<'a> {
    pub provider: Option<&'a str>,
    pub package: Option<&'a str>,
    pub services: Option<&'a [String]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    pub provider: String,
    pub services: Vec<String>,
    pub quote: Quote,
}

pub fn select(wish: Wish<'_>) -> Result<Selection, Error> {
    let provider = wish.provider.map(parse_provider).transpose()?;
    let package = wish.package.map(parse_package).transpose()?;
    let ids: Vec<&str> = match (wish.services, package, provider) {
        (Some(services), ..) => distinct(services),
        (None, Some(package), _) => contents(package),
        (None, None, Some(Some(provider))) => built_of(provider),
        (None, None, _) => return Err(invalid("services", "name at least one, or a package, or a single provider")),
    };
    let rows = built(&ids)?;
    if rows.is_empty() {
        return Err(match provider {
            Some(Some(provider)) if wish.services.is_none() => not_implemented(&[provider.id()]),
            _ => invalid("services", "name at least one"),
        });
    }
    if let Some(package) = package.filter(|package| !package.covers(&ids)) {
        return Err(invalid("services", format_args!("not all of them are in the package {}", package.id)));
    }
    if let Some(Some(provider)) = provider
        && let Some(foreign) = rows.iter().find(|row| row.provider() != provider)
    {
        let why = format_args!("{} is not of the provider {}; say {MULTI_CLOUD:?}", foreign.id(), provider.id());
        return Err(invalid("services", why));
    }
    Ok(Selection {
        provider: provider.map_or_else(|| common_provider(&rows), name_of).to_owned(),
        services: rows.iter().map(|row| row.id().to_owned()).collect(),
        quote: quote(&rows),
    })
}

/// Prices services that an environment already has.
pub fn quote_of(services: &[String]) -> Quote {
    quote(&services.iter().filter_map(|id| catalogue::row(id)).collect::<Vec<Row>>())
}

/// Providers of the services, each once, in the providers' order.
pub fn providers_of(services: &[String]) -> impl Iterator<Item = Provider> {
    Provider::ALL.into_iter().filter(move |provider| {
        services.iter().filter_map(|id| catalogue::row(id)).any(|row| row.provider() == *provider)
    })
}

fn quote(rows: &[Row]) -> Quote {
    price::quote(&rows.iter().map(|row| (row.id(), row.price_cents())).collect::<Vec<_>>())
}

/// `None` inside for several providers.
#[allow(clippy::option_option)]
fn parse_provider(id: &str) -> Result<Option<Provider>, Error> {
    if id == MULTI_CLOUD {
        return Ok(None);
    }
    Provider::ALL.into_iter().find(|provider| provider.id() == id).map(Some).ok_or_else(|| {
        let known: Vec<&str> = Provider::ALL.into_iter().map(Provider::id).collect();
        invalid("provider", format_args!("must be {MULTI_CLOUD} or one of: {}", known.join(", ")))
    })
}

fn parse_package(id: &str) -> Result<&'static Package, Error> {
    price::package(id).ok_or_else(|| {
        let known: Vec<&str> = price::PACKAGES.iter().map(|package| package.id).collect();
        invalid("package", format_args!("must be one of: {}", known.join(", ")))
    })
}

/// A package that lists its services stands for all of them; one that does not, for what is built: the first
/// service of each provider where it has a count, everything where it has none.
fn contents(package: &Package) -> Vec<&'static str> {
    match package.contents {
        Contents::These(these) => these.to_vec(),
        Contents::Any(count) => Provider::ALL
            .into_iter()
            .filter_map(|provider| SERVICES.iter().find(|service| service.provider == provider))
            .map(|service| service.id)
            .take(count)
            .collect(),
        Contents::Everything => SERVICES.iter().map(|service| service.id).collect(),
    }
}

fn built_of(provider: Provider) -> Vec<&'static str> {
    SERVICES.iter().filter(|service| service.provider == provider).map(|service| service.id).collect()
}

fn distinct(services: &[String]) -> Vec<&str> {
    let mut ids: Vec<&str> = Vec::with_capacity(services.len());
    for id in services {
        if !ids.contains(&id.as_str()) {
            ids.push(id);
        }
    }
    ids
}

fn built(ids: &[&str]) -> Result<Vec<Row>, Error> {
    let unknown: Vec<&str> = ids.iter().copied().filter(|id| catalogue::row(id).is_none()).collect();
    if !unknown.is_empty() {
        let names = shortened(&unknown);
        let message = format!("services: not in the catalogue: {names}");
        let error = WireError::new(StatusCode::BAD_REQUEST, "invalid_request", message);
        return Err(error.field("field", "services").field("services", names).into());
    }
    let rows: Vec<Row> = ids.iter().filter_map(|id| catalogue::row(id)).collect();
    let planned: Vec<&str> = rows.iter().filter(|row| matches!(row, Row::Planned(_))).map(|row| row.id()).collect();
    if planned.is_empty() { Ok(rows) } else { Err(not_implemented(&planned)) }
}

fn not_implemented(names: &[&str]) -> Error {
    let names = names.join(", ");
    let message = format!("not built yet: {names}");
    WireError::new(StatusCode::NOT_IMPLEMENTED, "not_implemented", message).field("services", names).into()
}

/// Names that came from outside, in an error's text: not without bound.
fn shortened(names: &[&str]) -> String {
    const NAMES_MAX: usize = 20;
    const NAME_CHARS_MAX: usize = 63;
    let mut text = String::new();
    for (at, name) in names.iter().take(NAMES_MAX).enumerate() {
        if at > 0 {
            text.push_str(", ");
        }
        text.extend(name.chars().take(NAME_CHARS_MAX));
    }
    text
}

fn common_provider(rows: &[Row]) -> &'static str {
    let first = rows[0].provider();
    if rows.iter().all(|row| row.provider() == first) { first.id() } else { MULTI_CLOUD }
}

fn name_of(provider: Option<Provider>) -> &'static str {
    provider.map_or(MULTI_CLOUD, Provider::id)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `wish`: `provider package services…`, `-` for what is left out. `want`: `provider services…`, or a part of the error.
    #[track_caller]
    fn check(wish: &str, want: Result<&str, &str>) {
        let mut words = wish.split(' ').map(|word| (word != "-").then_some(word));
        let (provider, package) = (words.next().flatten(), words.next().flatten());
        let services: Option<Vec<String>> = words.map(|word| word.map(str::to_owned)).collect();
        let services = services.filter(|services| !services.is_empty());
        let got = select(Wish { provider, package, services: services.as_deref() });
        match (got, want) {
            (Ok(got), Ok(want)) => assert_eq!(format!("{} {}", got.provider, got.services.join(" ")), want, "{wish}"),
            (Err(Error::Wire(error)), Err(want)) => {
                let said = format!("{} {}", error.status.as_u16(), error.message);
                assert!(said.contains(want), "{wish}: {said}");
            }
            (got, _) => panic!("{wish}: {got:?}, wanted {want:?}"),
        }
    }

    #[test]
    fn by_name_package_or_provider() {
        check("- - aws_s3", Ok("aws aws_s3"));
        check("- - aws_s3 aws_s3", Ok("aws aws_s3"));
        check("- - aws_s3 cloudflare_r2", Ok("multi-cloud aws_s3 cloudflare_r2"));
        check("multi-cloud - aws_s3", Ok("multi-cloud aws_s3"));
        check("aws - -", Ok("aws aws_s3"));
        check("cloudflare - -", Ok("cloudflare cloudflare_r2"));
        check("- multi-cloud cloudflare_r2", Ok("cloudflare cloudflare_r2"));
        check("- cloudflare-dev cloudflare_r2", Ok("cloudflare cloudflare_r2"));
        check("- cloudflare-dev aws_s3", Err("400 services: not all of them are in the package cloudflare-dev"));
        check("- cloudflare-dev -", Err("501 not built yet: cloudflare_kv, cloudflare_d1"));
        check("aws - cloudflare_r2", Err("400 services: cloudflare_r2 is not of the provider aws"));
        check("azure - -", Err("501 not built yet: azure"));
        check("multi-cloud - -", Err("400 services: name at least one"));
        check("- - -", Err("400 services: name at least one"));
        check("oracle - -", Err("400 provider: must be multi-cloud or one of: aws"));
        check("- gold -", Err("400 package: must be one of: aws-starter"));
        check("- - aws_s3 aws_sqs azure_blob", Err("501 not built yet: aws_sqs, azure_blob"));
        check("- - aws_s3 aws_foo aws_sqs bar", Err("400 services: not in the catalogue: aws_foo, bar"));
    }

    #[test]
    fn packages_without_a_list_take_what_is_built() {
        let any = select(Wish { package: Some("multi-cloud"), ..Wish::default() }).expect("three are built");
        assert!(any.services.len() >= 3 && any.provider == MULTI_CLOUD, "{any:?}");
        let all = select(Wish { package: Some("everything"), ..Wish::default() }).expect("all that is built");
        assert_eq!(all.services.len(), SERVICES.len());
    }
}
