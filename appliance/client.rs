//! A client of the control plane: what the commands talk to a running appliance with.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use protocols::mockfactory::tokens::ADMIN_TOKEN_FILE;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::config::{Config, Surroundings};
use crate::data_dir::{self, CA_DIR};

/// How long an answer may take. Branching where every byte is copied takes the longest.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const HTTP_PORT: u16 = 80;
const HTTPS_PORT: u16 = 443;

/// Where the appliance is and how to ask it.
pub struct Client {
    url: Uri,
    token: String,
    /// The appliance's data directory, where it is on this machine.
    data: PathBuf,
}

/// As given by flags.
#[derive(Clone, Debug, Default)]
pub struct Target {
    pub url: Option<String>,
    pub token: Option<String>,
}

impl Client {
    /// Flags over variables over what the data directory tells over defaults.
    pub fn new(target: Target, config: &Config, surroundings: &Surroundings) -> Result<Self> {
        let url = target
            .url
            .or_else(|| surroundings.variable("MOCKFACTORY_URL").map(str::to_owned))
            .or_else(|| data_dir::running(&config.data).and_then(|running| running.http.or(running.https)))
            .unwrap_or_else(|| default_url(config));
        let url: Uri = url.trim_end_matches('/').parse().with_context(|| format!("the URL {url:?}"))?;
        if url.host().is_none() || !matches!(url.scheme_str(), Some("http" | "https")) {
            bail!("the URL {url} must begin with http:// or https:// and name a host");
        }
        let token = match target.token.or_else(|| surroundings.variable("MOCKFACTORY_TOKEN").map(str::to_owned)) {
            Some(token) => token,
            None => read_token(&config.data)?,
        };
        Ok(Self { url, token, data: config.data.clone() })
    }

    pub fn get(&self, path: &str) -> Result<Value> {
        self.call(&Method::GET, path, None)
    }

    pub fn post(&self, path: &str, body: Value) -> Result<Value> {
        self.call(&Method::POST, path, Some(body))
    }

    pub fn call(&self, method: &Method, path: &str, body: Option<Value>) -> Result<Value> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let answer = tokio::time::timeout(ANSWER_TIMEOUT, self.exchange(method, path, body)).await;
            answer.map_err(|_| anyhow!("{} has not answered within {ANSWER_TIMEOUT:?}", self.url))?
        })
    }

    async fn exchange(&self, method: &Method, path: &str, body: Option<Value>) -> Result<Value> {
        let host = self.url.host().unwrap_or_default();
        let https = self.url.scheme_str() == Some("https");
        let port = self.url.port_u16().unwrap_or(if https { HTTPS_PORT } else { HTTP_PORT });
        let bytes = body.map_or_else(Vec::new, |body| body.to_string().into_bytes());
        let authority = self.url.authority().map(http::uri::Authority::as_str).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(format!("/api/v1{path}"))
            .header(HOST, authority)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/json")
            .header(AUTHORIZATION, format!("Bearer {}", self.token))
            .body(Full::<bytes::Bytes>::from(bytes))
            .context("the token or the path cannot stand in a request")?;
        let stream = self.connect(host.trim_matches(['[', ']']), port).await?;
        if https {
            let connector = tokio_rustls::TlsConnector::from(self.tls()?);
            let name = ServerName::try_from(host.to_owned()).context("the URL's host name")?;
            let stream = connector.connect(name, stream).await.context("TLS")?;
            return send(stream, request).await;
        }
        send(stream, request).await
    }

    async fn connect(&self, host: &str, port: u16) -> Result<TcpStream> {
        let connected = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect((host, port))).await;
        let refused = |why: String| {
            anyhow!(
                "no appliance answers at {} ({why}); start one with `mockfactory up`, or name it with --url",
                self.url
            )
        };
        connected.map_err(|_| refused("time is over".to_owned()))?.map_err(|error| refused(error.to_string()))
    }

    /// Trusts the appliance's own CA.
    fn tls(&self) -> Result<Arc<rustls::ClientConfig>> {
        let path = self.data.join(CA_DIR).join(proxy::CA_CERTIFICATE_FILE);
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(&path).with_context(|| path.display().to_string())? {
            roots.add(certificate.with_context(|| path.display().to_string())?)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
    }
}

async fn send<S>(stream: S, request: Request<Full<bytes::Bytes>>) -> Result<Value>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let answer = sender.send_request(request).await.context("the appliance did not answer")?;
    let status = answer.status();
    let bytes = answer.into_body().collect().await.context("the answer broke off")?.to_bytes();
    read_answer(status, &bytes)
}

fn read_answer(status: StatusCode, bytes: &[u8]) -> Result<Value> {
    let value: Value = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(bytes).unwrap_or_default() };
    if status.is_success() {
        return Ok(value);
    }
    match value["error"]["message"].as_str() {
        Some(message) => bail!("{message} ({})", value["error"]["code"].as_str().unwrap_or_default()),
        None => bail!("the answer was {status}; is this a MockFactory appliance?"),
    }
}

fn default_url(config: &Config) -> String {
    match (config.http_port, config.https_port) {
        (None, Some(port)) => format!("https://localhost:{port}"),
        (port, _) => format!("http://localhost:{}", port.unwrap_or(HTTP_PORT)),
    }
}

fn read_token(data: &Path) -> Result<String> {
    let path = data.join(ADMIN_TOKEN_FILE);
    match std::fs::read_to_string(&path) {
        Ok(token) => Ok(token.trim().to_owned()),
        Err(error) => bail!(
            "no token: {} cannot be read ({error}); give --token, MOCKFACTORY_TOKEN, or --data with the appliance's directory",
            path.display()
        ),
    }
}

/// A path's segment as it may stand in a URL.
pub fn segment(text: &str) -> String {
    const KEPT: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    percent_encoding::utf8_percent_encode(text, KEPT).to_string()
}
