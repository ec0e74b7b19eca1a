//! THE routes: every path of the control plane, with what the dispatch and the OpenAPI document need to know
//! of it.

use http::Method;

use super::{Reply, Request, accounts, environments, health, observed, openapi, token_routes};
use crate::fault::Error;
use crate::service::BoxFuture;

pub const BASE: &str = "/api/v1";

/// Who may take a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anyone who reaches the appliance.
    Open,
    /// Any token.
    Read,
    /// A token with the scope `admin`.
    Admin,
}

/// A parameter of the query.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    pub name: &'static str,
    /// JSON type: `string` or `integer`.
    pub kind: &'static str,
    pub about: &'static str,
}

pub enum Handler {
    /// Reads what is in memory.
    Now(for<'a> fn(Request<'a>) -> Result<Reply, Error>),
    /// Changes something, and waits for the disk.
    Later(for<'a> fn(Request<'a>) -> BoxFuture<'a, Result<Reply, Error>>),
}

pub struct Route {
    pub method: Method,
    /// `{name}` stands for one segment.
    pub template: &'static str,
    pub operation: &'static str,
    pub summary: &'static str,
    pub access: Access,
    pub query: &'static [Parameter],
    /// Name of the body's schema.
    pub request: Option<&'static str>,
    pub status: u16,
    /// Name of the answer's schema; `None`: no content, or none that is JSON.
    pub response: Option<&'static str>,
    pub handler: Handler,
}

const PAGE: [Parameter; 2] = [
    Parameter { name: "limit", kind: "integer", about: "Entries in one answer" },
    Parameter { name: "cursor", kind: "string", about: "`next_cursor` of the answer before" },
];

pub static ROUTES: &[Route] = &[
    Route {
        method: Method::GET,
        template: "/api/v1/environments",
        operation: "listEnvironments",
        summary: "Environments, oldest first",
        access: Access::Read,
        query: &[
            PAGE[0],
            PAGE[1],
            Parameter { name: "name", kind: "string", about: "Only those of this name" },
            Parameter { name: "state", kind: "string", about: "Only those that are `ready`, or `stopped`" },
        ],
        request: None,
        status: 200,
        response: Some("EnvironmentList"),
        handler: Handler::Now(environments::list),
    },
    Route {
        method: Method::POST,
        template: "/api/v1/environments",
        operation: "createEnvironment",
        summary: "Make an environment with the services asked for",
        access: Access::Admin,
        query: &[],
        request: Some("NewEnvironment"),
        status: 201,
        response: Some("Environment"),
        handler: Handler::Later(|request| Box::pin(environments::create(request))),
    },
    Route {
        method: Method::GET,
        template: "/api/v1/environments/{id}",
        operation: "getEnvironment",
        summary: "One environment",
        access: Access::Read,
        query: &[],
        request: None,
        status: 200,
        response: Some("Environment"),
        handler: Handler::Now(environments::show),
    },
    Route {
        method: Method::PATCH,
        template: "/api/v1/environments/{id}",
        operation: "updateEnvironment",
        summary: "Change name, services, expiry, authentication; stop or start",
        access: Access::Admin,
        query: &[],
        request: Some("EnvironmentPatch"),
        status: 200,
        response: Some("Environment"),
        handler: Handler::Later(|request| Box::pin(environments::update(request))),
    },
    Route {
        method: Method::DELETE,
        template: "/api/v1/environments/{id}",
        operation: "deleteEnvironment",
        summary: "Delete an environment and all that it stores",
        access: Access::Admin,
        query: &[],
        request: None,
        status: 204,
        response: None,
        handler: Handler::Later(|request| Box::pin(environments::delete(request))),
    },
    Route {
        method: Method::GET,
        template: "/api/v1/environments/{id}/branches",
        operation: "listBranches",
        summary: "Environments branched from this one",
        access: Access::Read,
        query: &PAGE,
        request: None,
        status: 200,
        response: Some("EnvironmentList"),
        handler: Handler::Now(environments::list_branches),
    },
    Route {
        method: Method::POST,
        template: "/api/v1/environments/{id}/branches",
        operation: "createBranch",
        summary: "A copy of the whole environment, with keys of its own",
        access: Access::Admin,
        query: &[],
        request: Some("NewBranch"),
        status: 201,
        response: Some("Environment"),
        handler: Handler::Later(|request| Box::pin(environments::branch(request))),
    },
    Route {
        method: Method::POST,
        template: "/api/v1/environments/{id}/reset",
        operation: "resetEnvironment",
        summary: "Back to empty, or to the state it was branched in; keys stay",
        access: Access::Admin,
        query: &[],
        request: Some("Nothing"),
        status: 200,
        response: Some("Environment"),
        handler: Handler::Later(|request| Box::pin(environments::reset(request))),
    },
    Route {
        method: Method::GET,
        template: "/api/v1/environments/{id}/clock",
        operation: "getClock",
        summary: "The environment's clock",
        access: Access::Read,
        query: &[],
        request: None,
        status: 200,
        response: Some("Clock"),
        handler: Handler::Now(observed::clock),
    },
    Route {
        method: Method::POST,
        template: "/api/v1/environments/{id}/clock",
        operation: "advanceClock",
        summary: "Move the environment's clock forward",
        access: Access::Admin,
        query: &[],
        request: Some("ClockAdvance"),
        status: 200,
        response: Some("Clock"),
        handler: Handler::Later(|request| Box::pin(observed::advance_clock(request))),
    },
    Route {
        method: Method::GET,
        template: "/api/v1/environments/{id}/usage",
        operation: "getUsage",
        summary: "Requests and bytes per service, what is stored, hours and cost",
        access: Access::Read,
        query: &[],
        request: None,
        status: 200,
        response: Some("Usage"),
        handler: Handler::Later(|request| Box::pin(observed::usage(request))),
    },
    Route {
        method: Method::GET,
        template: "/api/v1/environments/{id}/requests",
        operation: "listRequests",
        summary: "The last requests that reached the environment, oldest first",
        access: Access::Read,
        query: &[
            Parameter { name: "limit", kind: "integer", about: "Entries in one answer" },
            Parameter { name: "after", kind: "integer", about: "`next` of the answer before; 0: from the oldest kept" },
        ],
        request: None,
        status: 200,
        response: Some("RequestList"),
        handler: Handler::Now(observed::requests),
    },
    Route {
        method: Method::GET,
        template: "/api/v1/environments/{id}/accounts",
        operation: "listAccounts",
        summary: "Accounts beside the environment's first",
        access: Access::Admin,
        query: &[],
        request: None,
        status: 200,
        response: Some("AccountList"),
        handler: Handler::Now(accounts::list),
    },
    Route {
        method: Method::POST,
        template: "/api/v1/environments/{id}/accounts",
        operation: "createAccount",
        summary: "Keys of another account in the same bucket namespace, for cross-account rules",
        access: Access::Admin,
        query: &[],
        request: Some("NewAccount"),
        status: 201,
        response: Some("Account"),
        handler: Handler::Later(|request| Box::pin(accounts::create(request))),
    },
    Route {
        method: Method::DELETE,
        template: "/api/v1/environments/{id}/accounts/{account_id}",
        operation: "deleteAccount",
        summary: "Revoke an account's keys; what it owns stays",
        access: Access::Admin,
        query: &[],
        request: None,
        status: 204,
        response: None,
        handler: Handler::Later(|request| Box::pin(accounts::delete(request))),
    },
    Route {
        method: Method::GET,
        template: "/api/v1/catalogue",
        operation: "getCatalogue",
        summary: "Every service, built or planned, with its operations and price",
        access: Access::Read,
        query: &[],
        request: None,
        status: 200,
        response: Some("Catalogue"),
        handler: Handler::Now(observed::catalogue),
    },
    Route {
        method: Method::GET,
        template: "/api/v1/packages",
        operation: "getPackages",
        summary: "Packages and their prices",
        access: Access::Read,
        query: &[],
        request: None,
        status: 200,
        response: Some("Packages"),
        handler: Handler::Now(observed::packages),
    },
    Route {
        method: Method::GET,
        template: "/api/v1/tokens",
        operation: "listTokens",
        summary: "Tokens of the control plane, without their texts",
        access: Access::Admin,
        query: &[],
        request: None,
        status: 200,
        response: Some("TokenList"),
        handler: Handler::Now(token_routes::list),
    },
    Route {
        method: Method::POST,
        template: "/api/v1/tokens",
        operation: "createToken",
        summary: "Make a token; its text is shown in this answer only",
        access: Access::Admin,
        query: &[],
        request: Some("NewToken"),
        status: 201,
        response: Some("CreatedToken"),
        handler: Handler::Later(|request| Box::pin(token_routes::create(request))),
    },
    Route {
        method: Method::DELETE,
        template: "/api/v1/tokens/{id}",
        operation: "deleteToken",
        summary: "Revoke a token",
        access: Access::Admin,
        query: &[],
        request: None,
        status: 204,
        response: None,
        handler: Handler::Later(|request| Box::pin(token_routes::delete(request))),
    },
    Route {
        method: Method::GET,
        template: "/api/v1/openapi.json",
        operation: "getOpenApi",
        summary: "This document",
        access: Access::Open,
        query: &[],
        request: None,
        status: 200,
        response: Some("OpenApi"),
        handler: Handler::Now(openapi::show),
    },
    Route {
        method: Method::GET,
        template: "/",
        operation: "getFrontPage",
        summary: "Where to go from here",
        access: Access::Open,
        query: &[],
        request: None,
        status: 200,
        response: Some("FrontPage"),
        handler: Handler::Now(health::front_page),
    },
    Route {
        method: Method::GET,
        template: "/healthz",
        operation: "getHealth",
        summary: "The process answers",
        access: Access::Open,
        query: &[],
        request: None,
        status: 200,
        response: Some("Health"),
        handler: Handler::Now(health::live),
    },
    Route {
        method: Method::GET,
        template: "/readyz",
        operation: "getReadiness",
        summary: "It serves: the listeners stand and it is not draining (else 503)",
        access: Access::Open,
        query: &[],
        request: None,
        status: 200,
        response: Some("Health"),
        handler: Handler::Now(health::ready),
    },
    Route {
        method: Method::GET,
        template: "/metrics",
        operation: "getMetrics",
        summary: "Metrics in Prometheus' text format",
        access: Access::Open,
        query: &[],
        request: None,
        status: 200,
        response: None,
        handler: Handler::Now(health::metrics),
    },
];

/// What a method and a path lead to.
pub enum Found<'a> {
    Route(&'static Route, Vec<&'a str>),
    /// The path is there for other methods: the value of `Allow`.
    OtherMethods(String),
    Nothing,
}

/// `HEAD` goes where `GET` does; whoever writes the answer to the wire leaves its body out.
pub fn find<'a>(method: &Method, path: &'a str) -> Found<'a> {
    let wanted = if method == Method::HEAD { &Method::GET } else { method };
    let mut allow: Vec<&str> = Vec::new();
    for route in ROUTES {
        let Some(values) = matched(route.template, path) else { continue };
        if route.method == *wanted {
            return Found::Route(route, values);
        }
        if route.method == Method::GET {
            allow.push(Method::HEAD.as_str());
        }
        allow.push(route.method.as_str());
    }
    if allow.is_empty() { Found::Nothing } else { Found::OtherMethods(allow.join(", ")) }
}

fn matched<'a>(template: &str, path: &'a str) -> Option<Vec<&'a str>> {
    let mut values = Vec::new();
    let mut given = path.split('/');
    for wanted in template.split('/') {
        let given = given.next()?;
        if wanted.starts_with('{') {
            if given.is_empty() {
                return None;
            }
            values.push(given);
        } else if wanted != given {
            return None;
        }
    }
    given.next().is_none().then_some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(method: &str, path: &str, want: &str) {
        let got = match find(&method.parse().expect("a method"), path) {
            Found::Route(route, values) => format!("{} {}", route.operation, values.join(" ")).trim_end().to_owned(),
            Found::OtherMethods(allow) => format!("allow {allow}"),
            Found::Nothing => "nothing".to_owned(),
        };
        assert_eq!(got, want, "{method} {path}");
    }

    #[test]
    fn paths_and_methods() {
        check("GET", "/api/v1/environments", "listEnvironments");
        check("HEAD", "/api/v1/environments", "listEnvironments");
        check("POST", "/api/v1/environments", "createEnvironment");
        check("PUT", "/api/v1/environments", "allow HEAD, GET, POST");
        check("GET", "/api/v1/environments/env-a", "getEnvironment env-a");
        check("PUT", "/api/v1/environments/env-a", "allow HEAD, GET, PATCH, DELETE");
        check("GET", "/api/v1/environments/", "nothing");
        check("GET", "/api/v1/environments/env-a/", "nothing");
        check("DELETE", "/api/v1/environments/env-a/accounts/123", "deleteAccount env-a 123");
        check("GET", "/api/v1/environments/env-a/reset", "allow POST");
        check("GET", "/api/v1/nowhere", "nothing");
        check("GET", "/api/v1", "nothing");
        check("GET", "/", "getFrontPage");
        check("GET", "/healthz", "getHealth");
        check("POST", "/metrics", "allow HEAD, GET");
    }

    #[test]
    fn operations_are_named_once() {
        let mut names: Vec<&str> = ROUTES.iter().map(|route| route.operation).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ROUTES.len());
    }
}
