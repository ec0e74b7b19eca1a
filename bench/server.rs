//! A measured server: a process, an address, and a client identity that it accepts.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use jiff::Timestamp;

use crate::client::{Connection, Prepared, Reply};
use crate::load::client_runtime;
use crate::process::{Process, pause};
use crate::signer::{Payload, Signer};

/// How long a server may take until it stores objects.
const READY_LIMIT: Duration = Duration::from_mins(1);

#[derive(Debug)]
pub struct Server {
    pub name: &'static str,
    pub process: Process,
    pub address: SocketAddr,
    pub signer: Signer,
    /// It keeps what is put and lists it; the floor does not.
    pub stores: bool,
    /// The bucket of 100,000 keys was made beforehand, beside the server.
    pub filled: bool,
}

impl Server {
    /// One signed request; the reply with its body.
    pub fn call(&self, method: &str, path: &str, query: &[(&str, &str)], body: &[u8]) -> Result<(Reply, Vec<u8>)> {
        let payload = if body.is_empty() { Payload::Empty } else { Payload::hashed(body) };
        self.call_as(&self.signer, method, path, query, &payload, body)
    }

    pub fn call_as(
        &self,
        signer: &Signer,
        method: &str,
        path: &str,
        query: &[(&str, &str)],
        payload: &Payload,
        body: &[u8],
    ) -> Result<(Reply, Vec<u8>)> {
        let head = signer.at(Timestamp::now()).head(method, path, query, payload);
        fetch(self.address, &Prepared { head, body: Bytes::copy_from_slice(body) })
    }

    /// Makes a bucket, waiting for a server that is still starting.
    pub fn create_bucket(&mut self, bucket: &str) -> Result<()> {
        let (address, signer) = (self.address, self.signer.clone());
        let path = format!("/{bucket}");
        let mut last = String::from("no answer");
        let made = self.process.wait_until(READY_LIMIT, || {
            let head = signer.at(Timestamp::now()).head("PUT", &path, &[], &Payload::Empty);
            match fetch(address, &Prepared { head, body: Bytes::new() }) {
                Ok((reply, _)) if reply.status == 200 => return true,
                Ok((reply, body)) => last = format!("{} {}", reply.status, String::from_utf8_lossy(&body)),
                Err(error) => last = error.to_string(),
            }
            pause(Duration::from_millis(50));
            false
        });
        made.with_context(|| format!("{}: bucket {bucket}: {last}", self.name))
    }

    /// Whether a request signed with a wrong secret is refused.
    pub fn verifies_signatures(&self, path: &str) -> Result<bool> {
        let wrong = self.signer.with_secret("not-the-secret");
        let (reply, _) = self.call_as(&wrong, "GET", path, &[], &Payload::Empty, &[])?;
        match reply.status {
            200 => Ok(false),
            403 => Ok(true),
            status => bail!("{}: status {status} for a wrong signature", self.name),
        }
    }
}

/// One exchange on a connection of its own.
pub fn fetch(address: SocketAddr, request: &Prepared) -> Result<(Reply, Vec<u8>)> {
    let mut body = Vec::new();
    let reply =
        client_runtime()?.block_on(async { Connection::new(address).exchange(request, Some(&mut body)).await })?;
    Ok((reply, body))
}
