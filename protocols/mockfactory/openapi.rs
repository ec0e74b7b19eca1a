//! The OpenAPI 3.1 document, made of the routes and the schemas.

use serde_json::{Map, Value, json};

use super::routes::{Access, ROUTES, Route};
use super::{Reply, Request, schemas};
use crate::fault::Error;

pub fn show(mut request: Request<'_>) -> Result<Reply, Error> {
    request.query.finish()?;
    let cloud = request.cloud;
    let mut servers = Vec::new();
    if let Some(port) = cloud.http_port {
        servers.push(json!({"url": format!("http://{}:{port}", cloud.domain)}));
    }
    if let Some(port) = cloud.https_port {
        servers.push(json!({"url": format!("https://{}:{port}", cloud.domain)}));
    }
    Ok(Reply::ok(document(&servers)))
}

pub fn document(servers: &[Value]) -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        let path = paths.entry(route.template).or_insert_with(|| json!({}));
        path[route.method.as_str().to_ascii_lowercase()] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "MockFactory control plane",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": servers,
        "paths": paths,
        "components": {
            "schemas": schemas::all(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    })
}

fn operation(route: &Route) -> Value {
    let mut operation = json!({
        "operationId": route.operation,
        "summary": route.summary,
        "security": if route.access == Access::Open { json!([]) } else { json!([{"token": []}]) },
        "parameters": parameters(route),
    });
    if let Some(schema) = route.request {
        operation["requestBody"] = json!({"required": false, "content": content(schema)});
    }
    let success = match route.response {
        Some(schema) => json!({"description": route.summary, "content": content(schema)}),
        None if route.status == 204 => json!({"description": "Done"}),
        None => json!({"description": route.summary, "content": {"text/plain": {"schema": {"type": "string"}}}}),
    };
    let failure = json!({"description": "What went wrong", "content": content("Error")});
    operation["responses"] = json!({route.status.to_string(): success, "default": failure});
    operation
}

fn parameters(route: &Route) -> Vec<Value> {
    let names = route.template.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let in_path = names.map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}));
    let in_query = route.query.iter().map(|parameter| {
        json!({
            "name": parameter.name, "in": "query", "required": false, "description": parameter.about,
            "schema": {"type": parameter.kind},
        })
    });
    in_path.chain(in_query).collect()
}

fn content(schema: &str) -> Value {
    json!({"application/json": {"schema": {"$ref": format!("#/components/schemas/{schema}")}}})
}
