//! Requests through the whole of `protocols`, against an engine in a temporary directory. A case is a request
//! as text, a body, and what must be in the answer.

mod addresses;
mod buckets;
mod forms;
mod listings;
mod multipart;
mod objects;
mod providers;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use http_body_util::BodyExt;
use storage::environments::{
    AccessKey, AuthMode, EnvironmentId, EnvironmentPatch, Environments, EnvironmentsConfig, NewEnvironment,
};

use crate::body::{Body, full};
use crate::mockfactory::Control;
use crate::mockfactory::tokens::Tokens;
use crate::serve::{AccessLine, AccessLog, Arrival, Cloud};

struct NoLog;

impl AccessLog for NoLog {
    fn write(&self, _: &AccessLine<'_>) {}
}

/// One relaxed environment with the three services. Any version 2 header signs.
struct Server {
    cloud: Arc<Cloud>,
    /// Removed when the test ends.
    _dir: tempfile::TempDir,
}

/// An answer, its body as text.
struct Answer {
    status: u16,
    headers: http::HeaderMap,
    body: String,
}

const SERVICES: [&str; 3] = ["aws_s3", "do_spaces", "cloudflare_r2"];

impl Server {
    async fn start() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let environments = Environments::open(EnvironmentsConfig::new(dir.path())).expect("environments");
        let key = |provider: &str, id: &str, account: &str| AccessKey {
            id: id.to_owned(),
            secret: "secret".to_owned(),
            account: account.to_owned(),
            provider: provider.to_owned(),
        };
        let new = NewEnvironment {
            id: EnvironmentId::parse("env-t"),
            name: "t".to_owned(),
            services: SERVICES.map(str::to_owned).to_vec(),
            auth: AuthMode::Relaxed,
            keys: vec![
                key("aws", "AKIDTEST", "111122223333"),
                key("digitalocean", "DOTEST", "team"),
                key("cloudflare", "R2TEST", "acct"),
            ],
            credentials: BTreeMap::new(),
            ..NewEnvironment::default()
        };
        environments.create(new).await.expect("an environment");
        let opened = Tokens::open(dir.path()).expect("tokens");
        let cloud = Arc::new(Cloud {
            environments,
            domain: "mockfactory.localhost".to_owned(),
            http_port: Some(80),
            https_port: None,
            access_log: Box::new(NoLog),
            control: Control::new(opened.tokens, Box::new(String::new)),
        });
        Self { cloud, _dir: dir }
    }

    /// `request`: method, service and path (`PUT s3:/b/k`) or a whole address, then a header per line. Signed by `test` unless
    /// it says `anonymous:`; `anonymous: strict` where an environment that takes no one's word shall hear it.
    async fn send(&self, request: &str, body: impl Into<bytes::Bytes>) -> Answer {
        let body = body.into();
        let mut lines = request.lines().map(str::trim);
        let (method, target) = lines.next().and_then(|line| line.split_once(' ')).expect("a request line");
        let (host, path) = match target.strip_prefix("http://") {
            Some(address) => address.split_once('/').map(|(host, path)| (host, format!("/{path}"))).expect("host/path"),
            None => ("localhost:8080", format!("/env/env-t/{}", target.replacen(':', "", 1))),
        };
        let mut builder = http::Request::builder().method(method).uri(path);
        let (mut anonymous, mut has_length, mut auth) = (false, false, AuthMode::Relaxed);
        for line in lines.filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').expect("a header");
            match name {
                "anonymous" => {
                    anonymous = true;
                    if value.trim() == "strict" {
                        auth = AuthMode::Strict;
                    }
                }
                "content-length" => has_length = true,
                _ => {}
            }
            builder = builder.header(name, value.trim());
        }
        if !anonymous {
            builder = builder.header("authorization", "AWS test:signature");
        }
        if !has_length && !matches!(method, "GET" | "HEAD" | "DELETE" | "OPTIONS") {
            builder = builder.header("content-length", body.len());
        }
        let body: Body = full(body);
        let request = builder.header("host", host).body(body).expect("a request");
        let attribute = |_: &str| true;
        let arrival = Arrival { https: false, peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)), attribute: &attribute };
        self.set_auth(auth).await;
        let response = crate::serve(&self.cloud, arrival, request).await;
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a whole body").to_bytes();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    async fn set_auth(&self, auth: AuthMode) {
        let patch = EnvironmentPatch { auth: Some(auth), ..EnvironmentPatch::default() };
        self.cloud.environments.update("env-t", patch).await.expect("an environment");
    }

    /// `want`: the status, then lines that must be there: `name: value` of a header (`name:` alone for its
    /// absence), or `| text` that the body must hold.
    async fn check(&self, request: &str, body: &str, want: &str) -> Answer {
        let answer = self.send(request, body.to_owned()).await;
        let mut lines = want.lines().map(str::trim).filter(|line| !line.is_empty());
        let status = lines.next().expect("a status");
        assert_eq!(answer.status.to_string(), status, "{request}\n{}", answer.body);
        for line in lines {
            if let Some(text) = line.strip_prefix('|') {
                assert!(answer.body.contains(text.trim()), "{request}\nwants {text}\ngot {}", answer.body);
                continue;
            }
            let (name, value) = line.split_once(':').expect("name: value");
            let got = answer.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
            let wanted = Some(value.trim().to_owned()).filter(|value| !value.is_empty());
            assert_eq!(got, wanted, "{request}\n{name}");
        }
        answer
    }
}

impl Answer {
    /// The text of the first element of this name.
    fn text_of(&self, name: &str) -> &str {
        let (_, rest) = self.body.split_once(&format!("<{name}>")).expect("the element");
        rest.split_once('<').expect("its end").0
    }
}
