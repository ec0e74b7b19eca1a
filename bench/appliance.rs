//! The appliance under measurement: started as a user starts it, spoken to through its control plane.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::client::{Connection, Prepared, Reply};
use crate::load::client_runtime;
use crate::peers::{Place, loopback};
use crate::process::Process;
use crate::server::{Server, fetch};
use crate::signer::Signer;

pub const NAME: &str = "mockfactory";

const START_LIMIT: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub struct Appliance {
    pub process: Process,
    pub address: SocketAddr,
    pub data: PathBuf,
    /// From starting the process to the first 200 of `/readyz`.
    pub ready: Duration,
    token: String,
}

/// An environment that the run made.
#[derive(Clone, Debug)]
pub struct Environment {
    pub id: String,
    pub signer: Signer,
}

impl Appliance {
    pub fn start(place: &Place, data: &Path, log: &Path, flags: &[&str]) -> Result<Self> {
        let address = loopback(place.port + 40);
        let mut command = Command::new(place.binaries.join("mockfactory"));
        command.arg("up").arg("--data").arg(data);
        command.args(["--http-port", &(place.port + 40).to_string()]);
        command.args(["--https-port", &(place.port + 41).to_string()]).args(flags);
        let started = Instant::now();
        let mut process = Process::start(&mut command, log)?;
        let probe = Prepared {
            head: format!("GET /readyz HTTP/1.1\r\nhost: {address}\r\n\r\n").into_bytes(),
            body: Bytes::new(),
        };
        process
            .wait_until(START_LIMIT, || fetch(address, &probe).is_ok_and(|(reply, _)| reply.status == 200))
            .with_context(|| format!("{NAME}; its log is {}", log.display()))?;
        let ready = started.elapsed();
        let token_file = data.join("admin-token");
        let token = std::fs::read_to_string(&token_file)
            .with_context(|| format!("token {}", token_file.display()))?
            .trim()
            .to_owned();
        Ok(Self { process, address, data: data.to_owned(), ready, token })
    }

    pub fn api(&self) -> Result<Api<'_>> {
        Ok(Api { appliance: self, connection: Connection::new(self.address), runtime: client_runtime()? })
    }

    /// An S3 server like the peers, with a strict environment of its own behind it: signatures are verified.
    pub fn into_server(self) -> Result<Server> {
        let environment = self.api()?.create("bench")?;
        Ok(Server {
            name: NAME,
            process: self.process,
            address: self.address,
            signer: environment.signer,
            stores: true,
            filled: false,
        })
    }
}

/// The control plane over one kept connection.
#[derive(Debug)]
pub struct Api<'a> {
    appliance: &'a Appliance,
    connection: Connection,
    runtime: tokio::runtime::Runtime,
}

impl Api<'_> {
    pub fn create(&mut self, name: &str) -> Result<Environment> {
        let wish = json!({"name": name, "provider": "aws", "services": ["aws_s3"], "auth": "strict"});
        let made = self.call("POST", "/environments", Some(&wish), 201)?;
        self.environment(&made)
    }

    pub fn branch(&mut self, id: &str, name: &str) -> Result<Environment> {
        let made = self.call("POST", &format!("/environments/{id}/branches"), Some(&json!({"name": name})), 201)?;
        self.environment(&made)
    }

    pub fn delete(&mut self, id: &str) -> Result<()> {
        let request = self.request("DELETE", &format!("/environments/{id}"), None);
        let (reply, body) = self.exchange(&request)?;
        ensure!((200..300).contains(&reply.status), "DELETE {id}: {} {}", reply.status, String::from_utf8_lossy(&body));
        Ok(())
    }

    /// Any request on the kept connection, such as one to an environment's S3.
    pub fn exchange(&mut self, request: &Prepared) -> Result<(Reply, Vec<u8>)> {
        let mut body = Vec::new();
        let reply = self.runtime.block_on(self.connection.exchange(request, Some(&mut body)))?;
        Ok((reply, body))
    }

    fn call(&mut self, method: &str, path: &str, body: Option<&Value>, expect: u16) -> Result<Value> {
        let request = self.request(method, path, body);
        let (reply, body) = self.exchange(&request)?;
        ensure!(reply.status == expect, "{method} {path}: {} {}", reply.status, String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).with_context(|| format!("{method} {path}: not JSON"))
    }

    fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Prepared {
        let body = body.map_or_else(String::new, Value::to_string);
        let head = format!(
            "{method} /api/v1{path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            self.appliance.address,
            self.appliance.token,
            body.len()
        );
        Prepared { head: head.into_bytes(), body: body.into() }
    }

    fn environment(&self, made: &Value) -> Result<Environment> {
        let aws = &made["credentials"]["aws"];
        let text = |value: &Value, what: &str| {
            value.as_str().map(str::to_owned).with_context(|| format!("{what} missing in {made}"))
        };
        let key = text(&aws["access_key_id"], "access_key_id")?;
        let secret = text(&aws["secret_access_key"], "secret_access_key")?;
        let region = text(&aws["region"], "region")?;
        let signer = Signer::new(self.appliance.address, &key, &secret, &region);
        Ok(Environment { id: text(&made["id"], "id")?, signer })
    }
}
