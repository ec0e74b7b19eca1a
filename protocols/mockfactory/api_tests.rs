//! The control plane in-process, over environments in a directory of their own. Every body that succeeds and
//! every answer is held against its schema.

use std::sync::Arc;

use http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use storage::clock::system_now;
use storage::environments::{Environments, EnvironmentsConfig};
use tempfile::TempDir;

use super::routes::{Found, find};
use super::tests::assert_fits;
use super::tokens::Tokens;
use super::{BODY_BYTES_MAX, Control, default_environment, handle};
use crate::body::{Body, empty, full};
use crate::serve::{AccessLine, AccessLog, Cloud};
use crate::service::Trace;

struct Silent;

impl AccessLog for Silent {
    fn write(&self, _: &AccessLine<'_>) {}
}

struct Plane {
    cloud: Cloud,
    token: String,
    dir: TempDir,
}

struct Answer {
    status: u16,
    headers: http::HeaderMap,
    body: Value,
}

impl Plane {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let opened = Tokens::open(dir.path()).expect("tokens");
        let environments = Environments::open(EnvironmentsConfig::new(dir.path())).expect("environments");
        let cloud = Cloud {
            environments,
            domain: "mockfactory.localhost".to_owned(),
            http_port: Some(8080),
            https_port: Some(443),
            access_log: Box::new(Silent),
            control: Control::new(opened.tokens, Box::new(|| "metric 1\n".to_owned())),
        };
        Self { cloud, token: opened.admin_token, dir }
    }

    async fn raw(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Body) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, body) = request.body(body).expect("a request").into_parts();
        let route = find(&parts.method, parts.uri.path());
        let response = handle(&self.cloud, parts.clone(), body, "request-1", &mut Trace::default()).await;
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.into_body().collect().await.expect("a body").to_bytes();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        match route {
            Found::Route(route, _) if status.is_success() => {
                assert_eq!(status.as_u16(), route.status, "{}", route.operation);
                match route.response {
                    Some(schema) => assert_fits(schema, &body),
                    None => assert!(body.is_null(), "{}: {body}", route.operation),
                }
            }
            _ if parts.method == Method::HEAD || status == StatusCode::SERVICE_UNAVAILABLE => {}
            _ => assert_fits("Error", &body),
        }
        Answer { status: status.as_u16(), headers, body }
    }

    async fn call_as(&self, token: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let authorization = format!("Bearer {token}");
        let bytes = body.map_or_else(empty, |body| full(body.to_string()));
        let path = format!("/api/v1{path}");
        let answer = self.raw(method, &path, &[("authorization", &authorization)], bytes).await;
        if let (Some(body), true) = (body, answer.status < 300)
            && let Found::Route(route, _) =
                find(&method.parse().expect("a method"), path.split('?').next().unwrap_or_default())
            && let Some(schema) = route.request
        {
            assert_fits(schema, body);
        }
        answer
    }

    async fn call(&self, method: &str, path: &str, body: Value) -> Answer {
        let body = Some(body).filter(|body| !body.is_null());
        self.call_as(&self.token, method, path, body.as_ref()).await
    }

    async fn must(&self, method: &str, path: &str, body: Value) -> Value {
        let answer = self.call(method, path, body).await;
        assert!(answer.status < 300, "{method} {path}: {} {}", answer.status, answer.body);
        answer.body
    }

    async fn create(&self, body: Value) -> String {
        self.must("POST", "/environments", body).await["id"].as_str().expect("an id").to_owned()
    }

    /// `want`: status, code, and a part of the message.
    #[track_caller]
    fn refused(answer: &Answer, want: (u16, &str, &str), about: &str) {
        let error = &answer.body["error"];
        assert_eq!((answer.status, error["code"].as_str().unwrap_or_default()), (want.0, want.1), "{about}: {error}");
        assert!(error["message"].as_str().unwrap_or_default().contains(want.2), "{about}: {error}");
    }
}

#[tokio::test]
async fn an_environment_is_made_as_the_contract_says() {
    let plane = Plane::new();
    let body =
        json!({"name": "my-test", "provider": "multi-cloud", "services": ["aws_s3", "cloudflare_r2", "do_spaces"]});
    let made = plane.call("POST", "/environments", body).await;
    assert_eq!(made.status, 201);
    let id = made.body["id"].as_str().expect("an id");
    assert_eq!(made.headers["location"], format!("/api/v1/environments/{id}").as_str());
    assert_eq!(made.headers["cache-control"], "no-store");
    for (pointer, want) in [
        ("/name", json!("my-test")),
        ("/provider", json!("multi-cloud")),
        ("/state", json!("ready")),
        ("/auth", json!("strict")),
        ("/hourly_rate", json!(0.3)),
        ("/expires_at", Value::Null),
        ("/endpoints/aws_s3", json!(format!("https://s3.{id}.mockfactory.localhost"))),
        ("/endpoints/cloudflare_r2", json!(format!("https://cloudflare.{id}.mockfactory.localhost/r2"))),
        ("/endpoints/do_spaces", json!(format!("https://digitalocean.{id}.mockfactory.localhost/v2/spaces"))),
        ("/path_endpoints/aws_s3", json!(format!("http://localhost:8080/env/{id}/s3"))),
        ("/credentials/aws/region", json!("us-east-1")),
    ] {
        assert_eq!(made.body.pointer(pointer), Some(&want), "{pointer}");
    }
    let key = made.body["credentials"]["aws"]["access_key_id"].as_str().expect("a key");
    let (owner, key) = plane.cloud.environments.by_access_key(key).expect("known");
    assert_eq!((owner.id().as_str(), key.provider.as_str()), (id, "aws"));
    assert_eq!(plane.must("GET", &format!("/environments/{id}"), Value::Null).await["name"], "my-test");

    assert_eq!(plane.call("DELETE", &format!("/environments/{id}"), Value::Null).await.status, 204);
    assert_eq!(plane.call("GET", &format!("/environments/{id}"), Value::Null).await.status, 404);
    assert_eq!(plane.call("DELETE", &format!("/environments/{id}"), Value::Null).await.status, 404);
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let plane = Plane::new();
    let id = plane.create(json!({"services": ["aws_s3"]})).await;
    let own = format!("/environments/{id}");
    let s3 = json!(["aws_s3"]);
    let cases = [
        ("POST", "/environments", json!({"services": ["aws_sqs", "aws_s3"]}), (501, "not_implemented", "aws_sqs")),
        ("POST", "/environments", json!({"services": ["aws_foo"]}), (400, "invalid_request", "aws_foo")),
        (
            "POST",
            "/environments",
            json!({"services": "aws_s3"}),
            (400, "invalid_request", "services: must be an array"),
        ),
        ("POST", "/environments", json!({"services": [1]}), (400, "invalid_request", "services: must be a string")),
        ("POST", "/environments", json!({}), (400, "invalid_request", "services: name at least one")),
        (
            "POST",
            "/environments",
            json!({"services": s3, "nmae": "x"}),
            (400, "invalid_request", "unknown field: nmae"),
        ),
        ("POST", "/environments", json!({"services": s3, "name": ""}), (400, "invalid_request", "name: must have")),
        (
            "POST",
            "/environments",
            json!({"services": s3, "auth": "lax"}),
            (400, "invalid_request", "auth: must be one of"),
        ),
        (
            "POST",
            "/environments",
            json!({"services": s3, "expires_in": "soon"}),
            (400, "invalid_request", "expires_in"),
        ),
        (
            "POST",
            "/environments",
            json!({"services": s3, "expires_at": "2001-01-01T00:00:00Z"}),
            (400, "invalid_request", "past"),
        ),
        ("POST", "/environments", json!({"services": s3, "idle_stop": 0}), (400, "invalid_request", "idle_stop")),
        ("POST", "/environments", json!([1]), (400, "invalid_request", "must be a JSON object")),
        ("PUT", "/environments", Value::Null, (405, "method_not_allowed", "HEAD, GET, POST")),
        ("GET", "/nowhere", Value::Null, (404, "not_found", "openapi.json")),
        ("GET", "/environments/env-none", Value::Null, (404, "not_found", "env-none")),
        ("PATCH", "/environments/env-none", json!({}), (404, "not_found", "env-none")),
        ("POST", "/environments/env-none/branches", json!({}), (404, "not_found", "env-none")),
        ("POST", "/environments/env-none/reset", json!({}), (404, "not_found", "env-none")),
        ("POST", "/environments/env-none/clock", json!({"advance": 1}), (404, "not_found", "env-none")),
        ("GET", "/environments?limit=0", Value::Null, (400, "invalid_request", "limit: must be 1 to 1000")),
        ("GET", "/environments?limit=x", Value::Null, (400, "invalid_request", "limit")),
        ("GET", "/environments?cursor=!", Value::Null, (400, "invalid_request", "cursor")),
        ("GET", "/environments?colour=red", Value::Null, (400, "invalid_request", "unknown field: colour")),
        ("GET", "/environments?limit=1&limit=2", Value::Null, (400, "invalid_request", "twice")),
        ("PATCH", own.as_str(), json!({"id": "x"}), (400, "invalid_request", "unknown field: id")),
        (
            "PATCH",
            own.as_str(),
            json!({"state": "asleep"}),
            (400, "invalid_request", "state: must be one of: ready, stopped"),
        ),
        ("PATCH", own.as_str(), json!({"services": []}), (400, "invalid_request", "services")),
        ("PATCH", own.as_str(), json!({"services": ["gcp_run"]}), (501, "not_implemented", "gcp_run")),
        ("POST", &format!("{own}/clock"), json!({}), (400, "invalid_request", "advance: is required")),
        ("POST", &format!("{own}/clock"), json!({"advance": -5}), (400, "invalid_request", "advance")),
        (
            "POST",
            &format!("{own}/accounts"),
            json!({"provider": "azure", "name": "x"}),
            (400, "invalid_request", "provider"),
        ),
        ("POST", &format!("{own}/accounts"), json!({"provider": "aws"}), (400, "invalid_request", "name: is required")),
        ("DELETE", &format!("{own}/accounts/123"), Value::Null, (404, "not_found", "123")),
        ("POST", "/tokens", json!({"name": "x", "scope": "root"}), (400, "invalid_request", "scope")),
        ("DELETE", "/tokens/tok-none", Value::Null, (404, "not_found", "tok-none")),
        ("DELETE", "/tokens/admin", Value::Null, (409, "conflict", "admin-token")),
    ];
    for (method, path, body, want) in cases {
        let answer = plane.call(method, path, body.clone()).await;
        Plane::refused(&answer, want, &format!("{method} {path} {body}"));
    }
    let put = plane.call("PUT", "/environments", Value::Null).await;
    assert_eq!(put.headers["allow"], "HEAD, GET, POST");
}

#[tokio::test]
async fn bodies_that_are_too_large_or_no_json() {
    let plane = Plane::new();
    let authorization = format!("Bearer {}", plane.token);
    let path = "/api/v1/environments";
    for (content_type, body, want) in [
        ("application/json", "x".repeat(BODY_BYTES_MAX + 1), (413, "too_large", "larger than")),
        ("application/json", "{".to_owned(), (400, "invalid_json", "not JSON")),
        ("application/xml", "{}".to_owned(), (415, "unsupported_media_type", "application/json")),
        ("application/x-www-form-urlencoded", "{}".to_owned(), (400, "invalid_request", "services")),
        ("application/vnd.mock+json; charset=utf-8", "{}".to_owned(), (400, "invalid_request", "services")),
    ] {
        let headers = [("authorization", authorization.as_str()), ("content-type", content_type)];
        Plane::refused(&plane.raw("POST", path, &headers, full(body)).await, want, content_type);
    }
}

#[tokio::test]
async fn who_may_do_what() {
    let plane = Plane::new();
    let id = plane.create(json!({"services": ["aws_s3"]})).await;
    let made = plane.must("POST", "/tokens", json!({"name": "ci", "scope": "read", "expires_in": "1h"})).await;
    let read = made["token"].as_str().expect("a token").to_owned();
    for (token, method, path, want) in [
        ("", "GET", "/environments", 401),
        ("mf_wrong", "GET", "/environments", 401),
        ("mf_wrong", "GET", "/nowhere", 401),
        ("mf_wrong", "GET", "/openapi.json", 200),
        (&read, "GET", "/environments", 200),
        (&read, "HEAD", "/environments", 200),
        (&read, "GET", "/catalogue", 200),
        (&read, "POST", "/environments", 403),
        (&read, "GET", "/tokens", 403),
        (&read, "DELETE", &format!("/environments/{id}"), 403),
        (&read, "GET", &format!("/environments/{id}/accounts"), 403),
    ] {
        let answer = plane.call_as(token, method, path, None).await;
        assert_eq!(answer.status, want, "{method} {path}");
        assert_eq!(answer.headers.contains_key("www-authenticate"), want == 401);
    }
    let seen = plane.call_as(&read, "GET", &format!("/environments/{id}"), None).await;
    assert_eq!(seen.body.get("credentials"), None);
    let listed = plane.must("GET", "/tokens", Value::Null).await;
    assert_eq!(listed["tokens"].as_array().map(Vec::len), Some(2));
    assert!(!listed.to_string().contains(&read));
    let token_id = made["id"].as_str().expect("an id");
    assert_eq!(plane.call("DELETE", &format!("/tokens/{token_id}"), Value::Null).await.status, 204);
    assert_eq!(plane.call_as(&read, "GET", "/environments", None).await.status, 401);
}

#[tokio::test]
async fn lists_come_in_pages_and_by_name() {
    let plane = Plane::new();
    let mut made = Vec::new();
    for name in ["a", "b", "a", "c", "a"] {
        made.push(plane.create(json!({"name": name, "services": ["aws_s3"]})).await);
    }
    for limit in 1..=6 {
        let mut seen = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = plane.must("GET", &format!("/environments?limit={limit}{cursor}"), Value::Null).await;
            let ids = page["environments"].as_array().into_iter().flatten();
            seen.extend(ids.map(|environment| environment["id"].as_str().unwrap_or_default().to_owned()));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        let (mut seen_sorted, mut made_sorted) = (seen.clone(), made.clone());
        seen_sorted.sort();
        made_sorted.sort();
        assert_eq!(seen_sorted, made_sorted, "limit {limit}");
    }
    let named = plane.must("GET", "/environments?name=a", Value::Null).await;
    assert_eq!(named["environments"].as_array().map(Vec::len), Some(3));
    let stopped = plane.must("GET", "/environments?state=stopped", Value::Null).await;
    assert_eq!(stopped["environments"], json!([]));
}

#[tokio::test]
async fn an_environment_is_changed() {
    let plane = Plane::new();
    let id = plane.create(json!({"services": ["aws_s3"], "expires_in": "1h", "idle_stop": "90s"})).await;
    let own = format!("/environments/{id}");
    let before = plane.must("GET", &own, Value::Null).await;
    assert_eq!(before["name"], id.as_str());
    assert_eq!(before["idle_stop"], 90);
    let patch = json!({"name": "new", "services": ["aws_s3", "do_spaces"], "auth": "relaxed", "expires_in": null});
    let after = plane.must("PATCH", &own, patch).await;
    assert_eq!(
        (&after["name"], &after["auth"], &after["expires_at"]),
        (&json!("new"), &json!("relaxed"), &Value::Null)
    );
    assert_eq!(after["hourly_rate"], 0.2);
    assert_eq!(after["provider"], "multi-cloud");
    assert_eq!(after["credentials"]["aws"], before["credentials"]["aws"]);
    assert!(after["credentials"]["digitalocean"]["token"].is_string());
    // A service that goes and comes back finds its account as it was.
    let without = plane.must("PATCH", &own, json!({"services": ["do_spaces"]})).await;
    assert_eq!(without["credentials"].get("aws"), None);
    let again = plane.must("PATCH", &own, json!({"services": ["aws_s3"]})).await;
    assert_eq!(again["credentials"]["aws"], before["credentials"]["aws"]);
    let stopped = plane.must("PATCH", &own, json!({"state": "stopped"})).await;
    assert_eq!((&stopped["state"], &stopped["stop_reason"]), (&json!("stopped"), &json!("asked")));
    let started = plane.must("PATCH", &own, json!({"state": "ready"})).await;
    assert_eq!((&started["state"], &started["stop_reason"]), (&json!("ready"), &Value::Null));
    let at = plane.must("PATCH", &own, json!({"expires_at": "2100-01-01T00:00:00Z"})).await;
    assert_eq!(at["expires_at"], "2100-01-01T00:00:00.000Z");
}

#[tokio::test]
async fn branches_keep_accounts_and_have_keys_of_their_own() {
    let plane = Plane::new();
    let id = plane.create(json!({"services": ["aws_s3", "cloudflare_r2"]})).await;
    let own = format!("/environments/{id}");
    let other = plane.must("POST", &format!("{own}/accounts"), json!({"provider": "aws", "name": "other"})).await;
    let parent = plane.must("GET", &own, Value::Null).await;
    let branch = plane.must("POST", &format!("{own}/branches"), json!({"name": "twig"})).await;
    assert_eq!((&branch["parent"], &branch["name"]), (&json!(id), &json!("twig")));
    assert_eq!(branch["services"], parent["services"]);
    for (provider, kept, new) in
        [("aws", "account_id", "access_key_id"), ("cloudflare", "account_id", "r2_access_key_id")]
    {
        let [was, is] = [&parent, &branch].map(|environment| &environment["credentials"][provider]);
        assert_eq!(was[kept], is[kept]);
        assert_ne!(was[new], is[new]);
    }
    let copied = &branch["credentials"]["aws"]["accounts"][0];
    assert_eq!(copied["account_id"], other["account_id"]);
    assert_ne!(copied["access_key_id"], other["access_key_id"]);
    let key = copied["access_key_id"].as_str().expect("a key");
    let owner = plane.cloud.environments.by_access_key(key).expect("known").0;
    assert_eq!(Some(owner.id().as_str()), branch["id"].as_str());
    let listed = plane.must("GET", &format!("{own}/branches"), Value::Null).await;
    assert_eq!(listed["environments"][0]["id"], branch["id"]);
    let reset = plane.must("POST", &format!("{own}/reset"), Value::Null).await;
    assert_eq!(reset["credentials"], parent["credentials"]);
}

#[tokio::test]
async fn accounts_come_and_go() {
    let plane = Plane::new();
    let id = plane.create(json!({"services": ["aws_s3"]})).await;
    let accounts = format!("/environments/{id}/accounts");
    let made = plane.must("POST", &accounts, json!({"provider": "aws", "name": "second"})).await;
    assert_eq!(made["display_name"], "second");
    let key = made["access_key_id"].as_str().expect("a key");
    assert!(plane.cloud.environments.by_access_key(key).is_some());
    assert_eq!(plane.must("GET", &accounts, Value::Null).await["accounts"], json!([made]));
    let account_id = made["account_id"].as_str().expect("an id");
    assert_eq!(plane.call("DELETE", &format!("{accounts}/{account_id}"), Value::Null).await.status, 204);
    assert!(plane.cloud.environments.by_access_key(key).is_none());
    assert_eq!(plane.must("GET", &accounts, Value::Null).await["accounts"], json!([]));
}

#[tokio::test]
async fn the_clock_moves_forward_and_past_the_expiry() {
    let plane = Plane::new();
    let id = plane.create(json!({"services": ["aws_s3"], "expires_in": "1h"})).await;
    let own = format!("/environments/{id}");
    let moved = plane.must("POST", &format!("{own}/clock"), json!({"advance": "30m"})).await;
    assert_eq!(moved["offset_seconds"], 1800.0);
    assert_eq!(plane.must("GET", &format!("{own}/clock"), Value::Null).await["offset_seconds"], 1800.0);
    plane.must("POST", &format!("{own}/clock"), json!({"advance": 1800})).await;
    plane.cloud.environments.tick(system_now()).await;
    let expired = plane.must("GET", &own, Value::Null).await;
    assert_eq!((&expired["state"], &expired["stop_reason"]), (&json!("stopped"), &json!("expired")));
}

#[tokio::test]
async fn what_can_be_seen() {
    let plane = Plane::new();
    let id = plane.create(json!({"services": ["aws_s3"]})).await;
    let usage = plane.must("GET", &format!("/environments/{id}/usage"), Value::Null).await;
    assert_eq!(usage["environment"], id.as_str());
    let requests = plane.must("GET", &format!("/environments/{id}/requests"), Value::Null).await;
    assert_eq!(requests["requests"], json!([]));
    let catalogue = plane.must("GET", "/catalogue", Value::Null).await;
    let s3 = catalogue["services"].as_array().into_iter().flatten().find(|service| service["id"] == "aws_s3");
    assert!(s3.is_some_and(|s3| s3["built"] == true && s3["operations"].as_array().is_some_and(|o| !o.is_empty())));
    plane.must("GET", "/packages", Value::Null).await;
    plane.must("GET", "/openapi.json", Value::Null).await;
    for (path, want) in [("/", 200), ("/healthz", 200), ("/metrics", 200), ("/readyz", 503)] {
        assert_eq!(plane.raw("GET", path, &[], empty()).await.status, want, "{path}");
    }
    plane.cloud.control.set_ready(true);
    assert_eq!(plane.raw("GET", "/readyz", &[], empty()).await.status, 200);
}

#[tokio::test]
async fn the_default_environment_is_kept() {
    let plane = Plane::new();
    let environments = Arc::clone(&plane.cloud.environments);
    default_environment::keep(&environments).await.expect("made");
    let own = "/environments/env-default";
    let first = plane.must("GET", own, Value::Null).await;
    assert_eq!((&first["auth"], &first["expires_at"]), (&json!("relaxed"), &Value::Null));
    assert_eq!(first["credentials"]["aws"]["access_key_id"], "test");
    assert_eq!(first["credentials"]["aws"]["account_id"], "000000000000");
    plane.must("PATCH", own, json!({"services": ["aws_s3"]})).await;
    default_environment::keep(&environments).await.expect("kept");
    let second = plane.must("GET", own, Value::Null).await;
    assert_eq!(second["services"], first["services"]);
    assert_eq!(second["credentials"], first["credentials"]);
    assert!(plane.dir.path().exists());
}
