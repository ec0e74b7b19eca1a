//! Where a case is sent: an appliance in this process, or a real provider through curl.

use std::process::Command;
use std::sync::Arc;

use http_body_util::BodyExt;
use protocols::mockfactory::Control;
use protocols::mockfactory::tokens::Tokens;
use protocols::{AccessLine, AccessLog, Arrival, Cloud};
use storage::environments::{Environments, EnvironmentsConfig};

use super::case::{Reply, Request};
use super::signer::{self, Keys};

pub enum Target {
    Here(Here),
    /// Base URL of the real provider.
    There(String, Keys),
}

pub struct Here {
    cloud: Arc<Cloud>,
    pub environment: String,
    service: String,
    keys: Keys,
    /// Holds what the environment stores; removed with the case.
    _dir: tempfile::TempDir,
}

struct NoLog;

impl AccessLog for NoLog {
    fn write(&self, _: &AccessLine<'_>) {}
}

const HOST: &str = "localhost";

impl Target {
    pub async fn new(service: &str) -> Result<Self, String> {
        if let Ok(url) = std::env::var("TARGET") {
            let variable = |name: &str| std::env::var(name).map_err(|_| format!("{name} is not set"));
            let keys = Keys {
                id: variable("AWS_ACCESS_KEY_ID")?,
                secret: variable("AWS_SECRET_ACCESS_KEY")?,
                region: std::env::var("AWS_REGION").unwrap_or_else(|_| "us-east-1".to_owned()),
            };
            return Ok(Self::There(url.trim_end_matches('/').to_owned(), keys));
        }
        Here::new(service).await.map(Self::Here)
    }

    pub async fn send(&self, request: &Request) -> Result<Reply, String> {
        match self {
            Self::Here(here) => here.send(request).await,
            Self::There(url, keys) => curl(url, keys, request),
        }
    }
}

impl Here {
    async fn new(service: &str) -> Result<Self, String> {
        let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
        let opened = Tokens::open(dir.path()).map_err(|e| e.to_string())?;
        let cloud = Arc::new(Cloud {
            environments: Environments::open(EnvironmentsConfig::new(dir.path())).map_err(|e| e.to_string())?,
            domain: "mockfactory.localhost".to_owned(),
            http_port: Some(80),
            https_port: None,
            access_log: Box::new(NoLog),
            control: Control::new(opened.tokens, Box::new(String::new)),
        });
        let wanted = serde_json::json!({ "name": "case", "services": [service] }).to_string();
        let made = http::Request::post("/api/v1/environments")
            .header("host", HOST)
            .header("authorization", format!("Bearer {}", opened.admin_token))
            .header("content-type", "application/json")
            .body(protocols::full(wanted))
            .map_err(|e| e.to_string())?;
        let made = collect(serve(&cloud, made).await).await?;
        let made: serde_json::Value = serde_json::from_str(&made.body).map_err(|e| format!("{e}: {}", made.body))?;
        let field = |path: &str| {
            made.pointer(path).and_then(|value| value.as_str()).map(str::to_owned).ok_or(format!("no {path}: {made}"))
        };
        let (id, secret) = match service {
            "cloudflare_r2" => {
                ("/credentials/cloudflare/r2_access_key_id", "/credentials/cloudflare/r2_secret_access_key")
            }
            "do_spaces" => {
                ("/credentials/digitalocean/spaces_access_key_id", "/credentials/digitalocean/spaces_secret_access_key")
            }
            _ => ("/credentials/aws/access_key_id", "/credentials/aws/secret_access_key"),
        };
        let region = match service {
            "cloudflare_r2" => "auto",
            "do_spaces" => "nyc3",
            _ => "us-east-1",
        };
        let keys = Keys { id: field(id)?, secret: field(secret)?, region: region.to_owned() };
        Ok(Self { environment: field("/id")?, service: service.to_owned(), keys, cloud, _dir: dir })
    }

    async fn send(&self, request: &Request) -> Result<Reply, String> {
        let target = format!("/env/{}/{}{}", self.environment, self.service, request.target);
        let mut sent = http::Request::builder().method(request.method.as_str()).uri(&target).header("host", HOST);
        for (name, value) in signed(&self.keys, request, HOST, &target).into_iter().chain(request.headers.clone()) {
            sent = sent.header(name, value);
        }
        if !request.body.is_empty() {
            sent = sent.header("content-length", request.body.len());
        }
        let sent = sent.body(protocols::full(request.body.clone())).map_err(|e| e.to_string())?;
        collect(serve(&self.cloud, sent).await).await
    }
}

fn signed(keys: &Keys, request: &Request, host: &str, target: &str) -> Vec<(String, String)> {
    if request.instruction("anonymous").is_some() {
        return Vec::new();
    }
    let secret = request.instruction("secret").unwrap_or(&keys.secret).to_owned();
    let keys = Keys { id: keys.id.clone(), secret, region: keys.region.clone() };
    signer::sign(&keys, &request.method, host, target, request.body.as_bytes(), jiff::Timestamp::now())
}

async fn serve(cloud: &Arc<Cloud>, request: protocols::body::Request) -> protocols::body::Response {
    let peer = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    protocols::serve(cloud, Arrival { https: false, peer, attribute: &|_| true }, request).await
}

async fn collect(response: protocols::body::Response) -> Result<Reply, String> {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map_err(|e| e.to_string())?.to_bytes();
    let headers = parts.headers.iter();
    Ok(Reply {
        status: parts.status.as_u16(),
        headers: headers.map(|(n, v)| (n.to_string(), String::from_utf8_lossy(v.as_bytes()).into_owned())).collect(),
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}

fn curl(url: &str, keys: &Keys, request: &Request) -> Result<Reply, String> {
    let (base, prefix) = match url.split_once("://").map(|(_, rest)| rest.split_once('/')) {
        Some(Some((host, path))) => (host.to_owned(), format!("/{path}")),
        _ => (url.split_once("://").map_or(url, |(_, host)| host).to_owned(), String::new()),
    };
    let target = format!("{prefix}{}", request.target);
    let scheme = url.split_once("://").map_or("https", |(scheme, _)| scheme);
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--path-as-is", "--include", "-X", &request.method]);
    if request.method == "HEAD" {
        command.arg("--head");
    }
    for (name, value) in signed(keys, request, &base, &target).into_iter().chain(request.headers.clone()) {
        command.args(["-H", &format!("{name}: {value}")]);
    }
    if !request.body.is_empty() {
        command.args(["--data-binary", &request.body]);
    }
    let output = command.arg(format!("{scheme}://{base}{target}")).output().map_err(|e| e.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (head, body) =
        text.split_once("\r\n\r\n").ok_or_else(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
    let headers = lines.filter_map(|line| line.split_once(": ")).map(|(n, v)| (n.to_lowercase(), v.to_owned()));
    Ok(Reply { status: status.ok_or("no status")?, headers: headers.collect(), body: body.to_owned() })
}
