//! The document against the routes, and answers of the running control plane against the document.

use std::collections::BTreeSet;

use serde_json::Value;

use super::openapi::document;
use super::routes::ROUTES;
use super::schemas;

/// What `schema` does not allow in `value`: the subset of JSON Schema that [`schemas`] uses, and an error for
/// anything beyond it.
fn violations(schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    let Some(schema) = schema.as_object() else { return found.push(format!("{at}: not a schema")) };
    for (keyword, rule) in schema {
        let fits = match keyword.as_str() {
            "description" => true,
            "$ref" => {
                let name = rule.as_str().unwrap_or_default().rsplit('/').next().unwrap_or_default();
                match schemas::all().get(name) {
                    Some(schema) => violations(schema, value, at, found),
                    None => found.push(format!("{at}: no schema {name}")),
                }
                true
            }
            "type" => match rule {
                Value::Array(kinds) => kinds.iter().any(|kind| is_kind(kind, value)),
                kind => is_kind(kind, value),
            },
            "enum" => rule.as_array().is_some_and(|values| values.contains(value)),
            "format" => value.as_str().is_none_or(|text| text.parse::<jiff::Timestamp>().is_ok()),
            "pattern" | "minLength" | "maxLength" => value.as_str().is_none_or(|text| !text.is_empty()),
            "minimum" => value.as_i64().is_none_or(|number| number >= rule.as_i64().unwrap_or_default()),
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    violations(rule, item, &format!("{at}[{index}]"), found);
                }
                true
            }
            "required" => rule.as_array().into_iter().flatten().all(|name| {
                let present = value.get(name.as_str().unwrap_or_default()).is_some();
                if !present {
                    found.push(format!("{at}: lacks {name}"));
                }
                present
            }),
            "properties" => {
                for (name, schema) in rule.as_object().into_iter().flatten() {
                    if let Some(value) = value.get(name) {
                        violations(schema, value, &format!("{at}.{name}"), found);
                    }
                }
                true
            }
            "additionalProperties" => {
                for (name, value) in value.as_object().into_iter().flatten() {
                    let known = schema.get("properties").and_then(|known| known.get(name)).is_some();
                    match rule {
                        Value::Bool(false) if !known => found.push(format!("{at}: has {name}")),
                        Value::Object(_) if !known => violations(rule, value, &format!("{at}.{name}"), found),
                        _ => {}
                    }
                }
                true
            }
            _ => false,
        };
        if !fits {
            found.push(format!("{at}: {keyword} {rule} does not allow {value}"));
        }
    }
}

fn is_kind(kind: &Value, value: &Value) -> bool {
    match kind.as_str().unwrap_or_default() {
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "null" => value.is_null(),
        _ => false,
    }
}

#[track_caller]
pub(super) fn assert_fits(schema: &str, value: &Value) {
    let all = schemas::all();
    let mut found = Vec::new();
    violations(all.get(schema).unwrap_or(&Value::Null), value, schema, &mut found);
    assert!(found.is_empty(), "{found:#?}\n{value:#}");
}

#[test]
fn the_document_has_every_route_and_nothing_else() {
    let document = document(&[]);
    let mut described = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            described.insert((method.to_uppercase(), path.clone(), operation["operationId"].to_string()));
        }
    }
    let routed: BTreeSet<_> = ROUTES
        .iter()
        .map(|route| (route.method.to_string(), route.template.to_owned(), format!("{:?}", route.operation)))
        .collect();
    assert_eq!(described, routed);
}

#[test]
fn every_reference_of_the_document_leads_somewhere() {
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(reference)) = map.get("$ref") {
                    found.insert(reference.clone());
                }
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document = document(&[]);
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    for reference in &found {
        let pointer = reference.strip_prefix('#').expect("a local reference");
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    for name in schemas::all().keys() {
        assert!(found.contains(&format!("#/components/schemas/{name}")), "{name} is used nowhere");
    }
}
