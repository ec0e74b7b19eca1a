//! `env-default`: the environment that accepts any credentials and holds every built service, so that someone
//! who comes from another emulator changes the port and nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;

use storage::Fault;
use storage::environments::{AuthMode, EnvironmentId, EnvironmentPatch, Environments, NewEnvironment};

use super::environments::{MintedFor, mint_for};
use super::selection::{MULTI_CLOUD, quote_of};
use crate::aws;
use crate::route::DEFAULT_ENVIRONMENT;
use crate::service::Provider;
use crate::services::SERVICES;

/// What examples everywhere use for both halves of a key.
pub const TEST_KEY: &str = "test";
/// The account that other emulators give to a key that names none.
pub const TEST_ACCOUNT: &str = "000000000000";
const NAME: &str = "default";

/// Makes it where it is missing; gives it the services that have come since it was made.
pub async fn keep(environments: &Arc<Environments>) -> Result<(), Fault> {
    let services: Vec<String> = SERVICES.iter().map(|service| service.id.to_owned()).collect();
    let Some(environment) = environments.get(DEFAULT_ENVIRONMENT) else {
        return make(environments, services).await;
    };
    let record = environment.record();
    let missing = services.iter().any(|id| !record.services.contains(id));
    if !missing {
        return Ok(());
    }
    let MintedFor { credentials, keys } = mint_for(&services, NAME, &record.credentials, &record.keys)?;
    let patch = EnvironmentPatch {
        hourly_rate_cents: Some(quote_of(&services).cents),
        services: Some(services),
        credentials,
        add_keys: keys,
        ..EnvironmentPatch::default()
    };
    environments.update(DEFAULT_ENVIRONMENT, patch).await.map(drop)
}

async fn make(environments: &Arc<Environments>, services: Vec<String>) -> Result<(), Fault> {
    let aws = aws::credentials::with_key(TEST_ACCOUNT.to_owned(), TEST_KEY.to_owned(), TEST_KEY.to_owned(), NAME);
    let mut credentials = BTreeMap::from([(Provider::Aws.id().to_owned(), aws.document)]);
    let MintedFor { credentials: others, keys } = mint_for(&services, NAME, &credentials, &[])?;
    credentials.extend(others);
    let new = NewEnvironment {
        id: EnvironmentId::parse(DEFAULT_ENVIRONMENT),
        name: NAME.to_owned(),
        provider: MULTI_CLOUD.to_owned(),
        hourly_rate_cents: quote_of(&services).cents,
        services,
        auth: AuthMode::Relaxed,
        keys: aws.keys.into_iter().chain(keys).collect(),
        credentials,
        expires_ms: None,
        idle_stop_s: None,
    };
    environments.create(new).await.map(drop)
}
