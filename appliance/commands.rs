//! The commands that ask a running appliance, and what they print.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use clap::Subcommand;
use http::Method;
use protocols::mockfactory::tokens::ADMIN_TOKEN_FILE;
use serde_json::{Map, Value, json};

use crate::cli::{Local, Remote};
use crate::client::{Client, segment};
use crate::config::Surroundings;
use crate::data_dir::CA_DIR;
use crate::output::{cells, print, print_json, table};

#[derive(Subcommand)]
pub enum Env {
    /// Make an environment
    Create {
        /// Services by id: aws_s3,cloudflare_r2 (see `mockfactory catalogue`)
        #[arg(long, value_delimiter = ',')]
        services: Vec<String>,
        /// A package of services, alone or to check the services against
        #[arg(long)]
        package: Option<String>,
        /// aws, cloudflare … alone: every built service of it; or multi-cloud
        #[arg(long)]
        provider: Option<String>,
        #[command(flatten)]
        wishes: Wishes,
        #[command(flatten)]
        remote: Remote,
    },
    /// List environments
    List {
        /// Only those of this name
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        remote: Remote,
    },
    /// Show one with its endpoints and credentials
    Show {
        /// Id or name
        environment: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// Delete one and all that it stores
    Delete {
        /// Id or name
        environment: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// Copy a whole environment, with keys of its own
    Branch {
        /// Id or name
        environment: String,
        #[command(flatten)]
        wishes: Wishes,
        #[command(flatten)]
        remote: Remote,
    },
    /// Back to empty, or to the state it was branched in
    Reset {
        /// Id or name
        environment: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// Start one that is stopped
    Start {
        /// Id or name
        environment: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// Stop one: it keeps what it stores and refuses requests
    Stop {
        /// Id or name
        environment: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// Show its clock, or move it forward
    Clock {
        /// Id or name
        environment: String,
        /// How far: 90, 30m, 2h, 7d
        #[arg(long, value_name = "DURATION")]
        advance: Option<String>,
        #[command(flatten)]
        remote: Remote,
    },
    /// Requests, bytes, hours and cost so far
    Usage {
        /// Id or name
        environment: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// The last requests that reached it
    Requests {
        /// Id or name
        environment: String,
        #[arg(long, default_value_t = 100)]
        limit: u32,
        #[command(flatten)]
        remote: Remote,
    },
}

/// What may be said of a new environment or branch.
#[derive(clap::Args)]
pub struct Wishes {
    /// Its name [default: its id]
    #[arg(long)]
    name: Option<String>,
    /// strict, or relaxed: any credentials are accepted
    #[arg(long)]
    auth: Option<String>,
    /// Stop it after this time, and then delete it: 2h, 7d
    #[arg(long, value_name = "DURATION")]
    expires_in: Option<String>,
    /// Stop it after this long without a request: 30m
    #[arg(long, value_name = "DURATION")]
    idle_stop: Option<String>,
}

impl Wishes {
    fn into_body(self) -> Map<String, Value> {
        let fields =
            [("name", self.name), ("auth", self.auth), ("expires_in", self.expires_in), ("idle_stop", self.idle_stop)];
        fields.into_iter().filter_map(|(field, value)| Some((field.to_owned(), Value::String(value?)))).collect()
    }
}

#[derive(Subcommand)]
pub enum Token {
    /// Make a token; its text is shown once
    Create {
        #[arg(long)]
        name: String,
        /// admin, or read: looks at everything but credentials
        #[arg(long, default_value = "admin")]
        scope: String,
        /// 2h, 30d …
        #[arg(long, value_name = "DURATION")]
        expires_in: Option<String>,
        #[command(flatten)]
        remote: Remote,
    },
    /// List tokens
    List {
        #[command(flatten)]
        remote: Remote,
    },
    /// Revoke one
    Revoke {
        /// As listed: tok-…
        id: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// Print the admin token
    Show {
        #[command(flatten)]
        local: Local,
    },
}

pub fn env(command: Env) -> Result<()> {
    match command {
        Env::Create { services, package, provider, wishes, remote } => {
            let mut body = wishes.into_body();
            if !services.is_empty() {
                body.insert("services".to_owned(), json!(services));
            }
            for (field, value) in [("package", package), ("provider", provider)] {
                body.extend(value.map(|value| (field.to_owned(), Value::String(value))));
            }
            made(&remote, &remote.client()?.post("/environments", Value::Object(body))?)
        }
        Env::Branch { environment, wishes, remote } => {
            let client = remote.client()?;
            let path = format!("{}/branches", path_of(&client, &environment)?);
            made(&remote, &client.post(&path, Value::Object(wishes.into_body()))?)
        }
        Env::List { name, remote } => list(name.as_deref(), &remote),
        Env::Show { environment, remote } => {
            let client = remote.client()?;
            let shown = client.get(&path_of(&client, &environment)?)?;
            say(&remote, &shown, |shown| format!("{}{}", summary(shown), exports(shown)))
        }
        Env::Delete { environment, remote } => {
            let client = remote.client()?;
            let path = path_of(&client, &environment)?;
            client.call(&Method::DELETE, &path, None)?;
            say(&remote, &json!({"deleted": environment}), |_| format!("deleted {environment}\n"))
        }
        Env::Reset { environment, remote } => {
            let client = remote.client()?;
            let shown = client.post(&format!("{}/reset", path_of(&client, &environment)?), json!({}))?;
            say(&remote, &shown, |_| format!("reset {environment}\n"))
        }
        Env::Start { environment, remote } => set_state(&environment, "ready", &remote),
        Env::Stop { environment, remote } => set_state(&environment, "stopped", &remote),
        Env::Clock { environment, advance, remote } => {
            let client = remote.client()?;
            let path = format!("{}/clock", path_of(&client, &environment)?);
            let clock = match advance {
                Some(advance) => client.post(&path, json!({"advance": advance}))?,
                None => client.get(&path)?,
            };
            say(&remote, &clock, |clock| {
                let [now, offset] = [&clock["now"], &clock["offset_seconds"]].map(crate::output::cell);
                format!("{now} ({offset} s ahead)\n")
            })
        }
        Env::Usage { environment, remote } => {
            let client = remote.client()?;
            let usage = client.get(&format!("{}/usage", path_of(&client, &environment)?))?;
            say(&remote, &usage, show_usage)
        }
        Env::Requests { environment, limit, remote } => {
            let client = remote.client()?;
            let page = client.get(&format!("{}/requests?limit={limit}", path_of(&client, &environment)?))?;
            say(&remote, &page, |page| {
                rows(
                    &page["requests"],
                    &["AT", "STATUS", "SERVICE", "OPERATION", "METHOD", "PATH", "ERROR"],
                    &["at", "status", "service", "operation", "method", "path", "error"],
                )
            })
        }
    }
}

pub fn token(command: Token, surroundings: &Surroundings) -> Result<()> {
    match command {
        Token::Create { name, scope, expires_in, remote } => {
            let body = json!({"name": name, "scope": scope, "expires_in": expires_in});
            let made = remote.client()?.post("/tokens", body)?;
            say(&remote, &made, |made| format!("{}\n", crate::output::cell(&made["token"])))
        }
        Token::List { remote } => {
            let tokens = remote.client()?.get("/tokens")?;
            say(&remote, &tokens, |tokens| {
                rows(
                    &tokens["tokens"],
                    &["ID", "NAME", "SCOPE", "CREATED", "EXPIRES"],
                    &["id", "name", "scope", "created_at", "expires_at"],
                )
            })
        }
        Token::Revoke { id, remote } => {
            remote.client()?.call(&Method::DELETE, &format!("/tokens/{}", segment(&id)), None)?;
            say(&remote, &json!({"revoked": id}), |_| format!("revoked {id}\n"))
        }
        Token::Show { local } => {
            let path = local.config(surroundings)?.data.join(ADMIN_TOKEN_FILE);
            let token = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            let token = token.trim();
            if local.json { print_json(&json!({"token": token, "path": path})) } else { print(&format!("{token}\n")) }
        }
    }
}

pub fn catalogue(packages: bool, remote: &Remote) -> Result<()> {
    let client = remote.client()?;
    if packages {
        return say(remote, &client.get("/packages")?, |packages| {
            rows(
                &packages["packages"],
                &["PACKAGE", "TITLE", "$/HOUR", "ANY", "SERVICES"],
                &["id", "title", "hourly_rate", "any_services", "services"],
            )
        });
    }
    say(remote, &client.get("/catalogue")?, |catalogue| {
        let services = catalogue["services"].as_array().into_iter().flatten();
        let lines: Vec<Vec<String>> = services
            .map(|service| {
                let mut line = cells(service, &["id", "provider_title", "title", "hourly_rate"]);
                line.push(coverage(service));
                line
            })
            .collect();
        table(&["SERVICE", "PROVIDER", "TITLE", "$/HOUR", "OPERATIONS"], &lines)
    })
}

/// `62 full, 3 partial, 40 absent`
fn coverage(service: &Value) -> String {
    if service["built"] != true {
        return "planned".to_owned();
    }
    let operations = service["operations"].as_array().map(Vec::as_slice).unwrap_or_default();
    let count = |level: &str| operations.iter().filter(|operation| operation["level"] == level).count();
    format!("{} full, {} partial, {} absent", count("full"), count("partial"), count("absent"))
}

pub fn ca(path_alone: bool, install: bool, local: &Local, surroundings: &Surroundings) -> Result<()> {
    let config = local.config(surroundings)?;
    let path = config.data.join(CA_DIR).join(proxy::CA_CERTIFICATE_FILE);
    if path_alone && !local.json {
        return print(&format!("{}\n", path.display()));
    }
    let pem = std::fs::read_to_string(&path)
        .with_context(|| format!("{} cannot be read; `mockfactory up` makes it at its first start", path.display()))?;
    if local.json {
        return print_json(&json!({"path": path, "pem": pem, "install": install_steps(&path)}));
    }
    if install {
        return print(&install_steps(&path));
    }
    print(&format!("{pem}# {}\n", path.display()))
}

fn install_steps(path: &Path) -> String {
    let path = path.display();
    format!(
        "# For one shell and the clients started in it:\n\
         export AWS_CA_BUNDLE={path} REQUESTS_CA_BUNDLE={path} SSL_CERT_FILE={path} NODE_EXTRA_CA_CERTS={path}\n\n\
         # For this machine (Debian, Ubuntu), as root:\n\
         cp {path} /usr/local/share/ca-certificates/mockfactory.crt && update-ca-certificates\n"
    )
}

fn list(name: Option<&str>, remote: &Remote) -> Result<()> {
    let client = remote.client()?;
    let filter = name.map(|name| format!("&name={}", segment(name))).unwrap_or_default();
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = client.get(&format!("/environments?limit=1000{filter}{cursor}"))?;
        all.extend(page["environments"].as_array().cloned().unwrap_or_default());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={}", segment(next)),
            None => break,
        }
    }
    say(remote, &json!({"environments": all}), |all| {
        rows(
            &all["environments"],
            &["ID", "NAME", "STATE", "AUTH", "$/HOUR", "CREATED", "EXPIRES", "SERVICES"],
            &["id", "name", "state", "auth", "hourly_rate", "created_at", "expires_at", "services"],
        )
    })
}

fn set_state(environment: &str, state: &str, remote: &Remote) -> Result<()> {
    let client = remote.client()?;
    let path = path_of(&client, environment)?;
    let shown = client.call(&Method::PATCH, &path, Some(json!({"state": state})))?;
    say(remote, &shown, |_| format!("{environment} is {state}\n"))
}

/// The environment's path, from its id or from a name that only one has.
fn path_of(client: &Client, environment: &str) -> Result<String> {
    if storage::environments::EnvironmentId::parse(environment).is_some() {
        return Ok(format!("/environments/{environment}"));
    }
    let page = client.get(&format!("/environments?limit=2&name={}", segment(environment)))?;
    match page["environments"].as_array().map(Vec::as_slice) {
        Some([one]) => Ok(format!("/environments/{}", one["id"].as_str().unwrap_or_default())),
        Some([]) | None => bail!("no environment has the id or the name {environment:?}"),
        Some(_) => bail!("several environments are called {environment:?}; name one by its id"),
    }
}

fn say(remote: &Remote, value: &Value, text: impl FnOnce(&Value) -> String) -> Result<()> {
    if remote.json() { print_json(value) } else { print(&text(value)) }
}

fn rows(values: &Value, head: &[&str], fields: &[&str]) -> String {
    let values = values.as_array().into_iter().flatten();
    table(head, &values.map(|value| cells(value, fields)).collect::<Vec<_>>())
}

fn made(remote: &Remote, environment: &Value) -> Result<()> {
    say(remote, environment, |environment| format!("{}{}", summary(environment), exports(environment)))
}

fn summary(environment: &Value) -> String {
    let fields = ["name", "state", "auth", "hourly_rate", "parent", "created_at", "expires_at"];
    let mut text = format!("{}\n", crate::output::cell(&environment["id"]));
    for (field, cell) in fields.iter().zip(cells(environment, &fields)).filter(|(_, cell)| !cell.is_empty()) {
        let _ = writeln!(text, "  {field:<12} {cell}");
    }
    for (service, url) in environment["endpoints"].as_object().into_iter().flatten() {
        let _ = writeln!(text, "  {service:<12} {}", crate::output::cell(url));
        let _ =
            writeln!(text, "  {:<12} {}", "", crate::output::cell(&environment["path_endpoints"][service.as_str()]));
    }
    text
}

/// Lines to copy into a shell, for each provider whose tools read variables.
fn exports(environment: &Value) -> String {
    let of = |provider: &str, field: &str| crate::output::cell(&environment["credentials"][provider][field]);
    let url = |service: &str| crate::output::cell(&environment["path_endpoints"][service]);
    let sets = [
        ("aws_s3", "aws", "access_key_id", "secret_access_key", of("aws", "region")),
        ("cloudflare_r2", "cloudflare", "r2_access_key_id", "r2_secret_access_key", "auto".to_owned()),
        ("do_spaces", "digitalocean", "spaces_access_key_id", "spaces_secret_access_key", "nyc3".to_owned()),
    ];
    let mut text = String::new();
    for (service, provider, id, secret, region) in sets {
        let (endpoint, id, secret) = (url(service), of(provider, id), of(provider, secret));
        if endpoint.is_empty() || id.is_empty() {
            continue;
        }
        let _ = write!(
            text,
            "\n# {service}\nexport AWS_ACCESS_KEY_ID={id} AWS_SECRET_ACCESS_KEY={secret} AWS_DEFAULT_REGION={region}\n\
             export AWS_ENDPOINT_URL_S3={endpoint}\n"
        );
    }
    text
}

fn show_usage(usage: &Value) -> String {
    let services = usage["services"].as_object().into_iter().flatten();
    let lines: Vec<Vec<String>> = services
        .map(|(service, counts)| {
            let mut line = vec![service.clone()];
            line.extend(cells(counts, &["requests", "errors", "bytes_in", "bytes_out"]));
            line
        })
        .collect();
    let [objects, bytes, hours, cost] =
        ["objects", "stored_bytes", "hours", "cost"].map(|field| crate::output::cell(&usage[field]));
    format!(
        "{}\n{objects} objects, {bytes} bytes stored; {hours} hours, ${cost}\n",
        table(&["SERVICE", "REQUESTS", "ERRORS", "BYTES IN", "BYTES OUT"], &lines)
    )
}
