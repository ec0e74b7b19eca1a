//! JSON Schemas (draft 2020-12, as OpenAPI 3.1 has them) of what the control plane takes and answers. The tests
//! hold real answers against them.

#![allow(clippy::needless_pass_by_value)] // `json!` makes values where they are needed

use serde_json::{Map, Value, json};

use super::fields::NAME_CHARS_MAX;
use super::selection::MULTI_CLOUD;
use crate::price::PACKAGES;
use crate::service::Provider;

/// Every schema, by the name that routes use.
pub fn all() -> Map<String, Value> {
    let schemas = [requests(), answers(), small_answers(), observations()];
    schemas.into_iter().flatten().map(|(name, schema)| (name.to_owned(), schema)).collect()
}

type Named = Vec<(&'static str, Value)>;

fn requests() -> Named {
    vec![
        ("Nothing", object(&[], json!({}))),
        (
            "NewEnvironment",
            described(
                object(
                    &[],
                    json!({
                        "name": name(), "provider": provider(), "package": package(), "services": texts(),
                        "auth": auth(), "expires_in": duration(), "expires_at": instant_or_null(),
                        "idle_stop": duration(),
                    }),
                ),
                "`services` by id; or a `package`, or a single `provider`, alone. Without a name it is called by its id.",
            ),
        ),
        (
            "EnvironmentPatch",
            object(
                &[],
                json!({
                    "name": name(), "services": texts(), "auth": auth(), "expires_in": duration(),
                    "expires_at": instant_or_null(), "idle_stop": duration(), "state": state(),
                }),
            ),
        ),
        (
            "NewBranch",
            object(
                &[],
                json!({
                    "name": name(), "auth": auth(), "expires_in": duration(), "expires_at": instant_or_null(),
                    "idle_stop": duration(),
                }),
            ),
        ),
        ("ClockAdvance", object(&["advance"], json!({"advance": duration()}))),
        (
            "NewAccount",
            object(&["provider", "name"], json!({"provider": {"enum": [Provider::Aws.id()]}, "name": name()})),
        ),
        ("NewToken", object(&["name"], json!({"name": name(), "scope": scope(), "expires_in": duration()}))),
    ]
}

fn answers() -> Named {
    let environment = json!({
        "id": {"type": "string", "pattern": "^env-[a-z0-9-]{1,40}$"},
        "name": {"type": "string"},
        "provider": provider(),
        "state": state(),
        "stop_reason": {"enum": ["asked", "idle", "expired", null]},
        "services": texts(),
        "endpoints": described(text_map(), "URL per service, by host name"),
        "path_endpoints": described(text_map(), "URL per service, for clients that resolve no wildcard name"),
        "credentials": described(
            json!({"type": "object", "additionalProperties": {"type": "object"}}),
            "Per provider. Left out for tokens with the scope `read`.",
        ),
        "auth": auth(),
        "hourly_rate": described(json!({"type": "number"}), "US dollars"),
        "package": described(text_or_null(), "The package that makes the rate lower than the sum"),
        "parent": described(text_or_null(), "The environment it was branched from"),
        "created_at": instant(),
        "expires_at": described(instant_or_null(), "By the environment's own clock"),
        "idle_stop": described(integer_or_null(), "Seconds without a request after which it stops"),
        "clock": reference("Clock"),
    });
    let required: Vec<String> = environment
        .as_object()
        .map(|properties| properties.keys().filter(|key| *key != "credentials").cloned().collect())
        .unwrap_or_default();
    let required: Vec<&str> = required.iter().map(String::as_str).collect();
    vec![
        ("Environment", object(&required, environment.clone())),
        (
            "EnvironmentList",
            whole(json!({"environments": array(reference("Environment")), "next_cursor": text_or_null()})),
        ),
        ("Clock", whole(json!({"now": instant(), "offset_seconds": {"type": "number"}}))),
        ("Account", account()),
        ("AccountList", whole(json!({"accounts": array(reference("Account"))}))),
        ("Token", whole(token())),
        ("CreatedToken", {
            let mut shown = token();
            shown["token"] = described(json!({"type": "string"}), "The token itself, shown once");
            whole(shown)
        }),
        ("TokenList", whole(json!({"tokens": array(reference("Token"))}))),
    ]
}

fn observations() -> Named {
    let counts = whole(json!({
        "requests": integer(), "errors": integer(), "bytes_in": integer(), "bytes_out": integer(),
    }));
    vec![
        (
            "Usage",
            whole(json!({
                "environment": {"type": "string"},
                "services": {"type": "object", "additionalProperties": counts},
                "objects": integer(),
                "stored_bytes": integer(),
                "hours": {"type": "number"},
                "cost": described(json!({"type": "number"}), "US dollars"),
            })),
        ),
        (
            "LoggedRequest",
            whole(json!({
                "sequence": integer(), "at": instant(), "request_id": {"type": "string"},
                "service": {"type": "string"}, "operation": {"type": "string"}, "method": {"type": "string"},
                "path": {"type": "string"}, "status": integer(), "bytes_in": integer(), "bytes_out": integer(),
                "duration_us": integer(), "error": text_or_null(),
            })),
        ),
        ("RequestList", whole(json!({"requests": array(reference("LoggedRequest")), "next": integer()}))),
        (
            "Service",
            whole(json!({
                "id": {"type": "string"}, "title": {"type": "string"},
                "provider": {"enum": Provider::ALL.map(Provider::id)}, "provider_title": {"type": "string"},
                "built": {"type": "boolean"}, "hourly_rate": {"type": "number"},
                "operations": array(whole(json!({
                    "name": {"type": "string"}, "level": {"enum": ["full", "partial", "absent"]},
                    "note": text_or_null(),
                }))),
            })),
        ),
        ("Catalogue", whole(json!({"services": array(reference("Service"))}))),
        (
            "Package",
            whole(json!({
                "id": {"type": "string"}, "title": {"type": "string"}, "hourly_rate": {"type": "number"},
                "services": texts(),
                "any_services": described(integer_or_null(), "Covers any services, up to this many"),
            })),
        ),
        ("Packages", whole(json!({"packages": array(reference("Package"))}))),
    ]
}

fn small_answers() -> Named {
    vec![
        ("Health", whole(json!({"status": {"enum": ["ok", "ready", "not ready"]}}))),
        (
            "FrontPage",
            whole(json!({
                "name": {"type": "string"}, "version": {"type": "string"}, "control_plane": {"type": "string"},
                "description": {"type": "string"},
            })),
        ),
        ("OpenApi", json!({"type": "object", "required": ["openapi", "info", "paths"]})),
        (
            "Error",
            whole(json!({
                "error": whole(json!({
                    "code": {"type": "string"}, "message": {"type": "string"},
                    "detail": {"type": ["object", "null"]},
                })),
            })),
        ),
    ]
}

fn account() -> Value {
    whole(json!({
        "provider": {"enum": [Provider::Aws.id()]}, "name": {"type": "string"},
        "account_id": {"type": "string", "pattern": "^[0-9]{12}$"}, "access_key_id": {"type": "string"},
        "secret_access_key": {"type": "string"}, "region": {"type": "string"},
        "canonical_user_id": {"type": "string"}, "display_name": {"type": "string"},
    }))
}

fn token() -> Value {
    json!({
        "id": {"type": "string"}, "name": {"type": "string"}, "scope": scope(), "created_at": instant_or_null(),
        "expires_at": instant_or_null(), "expired": {"type": "boolean"},
    })
}

/// An object that holds nothing but these properties.
fn object(required: &[&str], properties: Value) -> Value {
    json!({"type": "object", "required": required, "properties": properties, "additionalProperties": false})
}

/// An object that always holds exactly these properties.
fn whole(properties: Value) -> Value {
    let names: Vec<String> = properties.as_object().map(|map| map.keys().cloned().collect()).unwrap_or_default();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    object(&names, properties)
}

fn described(mut schema: Value, text: &str) -> Value {
    schema["description"] = Value::from(text);
    schema
}

fn array(items: Value) -> Value {
    json!({"type": "array", "items": items})
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn texts() -> Value {
    array(json!({"type": "string"}))
}

fn text_map() -> Value {
    json!({"type": "object", "additionalProperties": {"type": "string"}})
}

fn text_or_null() -> Value {
    json!({"type": ["string", "null"]})
}

fn integer() -> Value {
    json!({"type": "integer", "minimum": 0})
}

fn integer_or_null() -> Value {
    json!({"type": ["integer", "null"], "minimum": 0})
}

fn instant() -> Value {
    json!({"type": "string", "format": "date-time"})
}

fn instant_or_null() -> Value {
    json!({"type": ["string", "null"], "format": "date-time"})
}

fn name() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": NAME_CHARS_MAX})
}

fn duration() -> Value {
    let text = "Seconds, or text such as \"2h\" or \"1d12h\"";
    described(json!({"type": ["integer", "string", "null"]}), text)
}

fn provider() -> Value {
    let mut ids = vec![MULTI_CLOUD];
    ids.extend(Provider::ALL.map(Provider::id));
    json!({"enum": ids})
}

fn package() -> Value {
    let ids: Vec<&str> = PACKAGES.iter().map(|package| package.id).collect();
    json!({"enum": ids})
}

fn auth() -> Value {
    described(json!({"enum": ["strict", "relaxed"]}), "`relaxed` accepts any credentials")
}

fn state() -> Value {
    json!({"enum": ["ready", "stopped"]})
}

fn scope() -> Value {
    json!({"enum": ["admin", "read"]})
}
