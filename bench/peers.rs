//! The servers the appliance is held against: how each is started, with signatures checked where it can.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::cases::{LIST_BUCKET, Listing};
use crate::process::Process;
use crate::server::Server;
use crate::signer::Signer;

pub const FLOOR: &str = "floor";
pub const SEAWEEDFS: &str = "seaweedfs";
pub const RCLONE: &str = "rclone";
pub const MOTO: &str = "moto";

/// As given to `--peers`.
pub const PEERS: [&str; 3] = [SEAWEEDFS, RCLONE, MOTO];

const ACCESS_KEY: &str = "BENCHACCESSKEY";
const SECRET: &str = "bench-secret-bench-secret";
const REGION: &str = "us-east-1";
const START_LIMIT: Duration = Duration::from_mins(1);

/// Where servers are started from and where they keep their data.
#[derive(Debug)]
pub struct Place {
    /// Holds `bench`, `floor` and `mockfactory`.
    pub binaries: PathBuf,
    /// `bin` directory with the peers' programs.
    pub peers: PathBuf,
    pub scratch: PathBuf,
    /// First of the hundred ports that the run may use.
    pub port: u16,
}

impl Place {
    /// An empty directory for one server, and its log beside it.
    pub fn directory(&self, name: &str) -> Result<(PathBuf, PathBuf)> {
        let dir = self.scratch.join(name);
        fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
        Ok((dir, self.scratch.join(format!("{name}.log"))))
    }
}

pub fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// Starts a server by name; it may still be busy starting when this returns.
pub fn start(name: &'static str, place: &Place, listing: Option<Listing>) -> Result<Server> {
    let (dir, log) = place.directory(name)?;
    let (mut command, port, filled) = match name {
        FLOOR => (floor(place), place.port + 1, false),
        SEAWEEDFS => (seaweedfs(place, &dir)?, place.port + 10, false),
        RCLONE => {
            if let Some(listing) = listing {
                fill_directory(&dir.join(LIST_BUCKET), listing)?;
            }
            (rclone(place, &dir), place.port + 30, listing.is_some())
        }
        _ => (moto(place), place.port + 31, false),
    };
    let address = loopback(port);
    let mut process = Process::start(&mut command, &log)?;
    process
        .wait_until(START_LIMIT, || std::net::TcpStream::connect(address).is_ok())
        .with_context(|| format!("{name}; its log is {}", log.display()))?;
    let signer = Signer::new(address, ACCESS_KEY, SECRET, REGION);
    Ok(Server { name, process, address, signer, stores: name != FLOOR, filled })
}

fn floor(place: &Place) -> Command {
    let mut command = Command::new(place.binaries.join("floor"));
    command.args(["--port", &(place.port + 1).to_string()]);
    command
}

fn seaweedfs(place: &Place, dir: &Path) -> Result<Command> {
    let config = dir.join("s3.json");
    let identities = serde_json::json!({"identities": [{
        "name": "bench",
        "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }]});
    fs::write(&config, identities.to_string())?;
    let mut command = Command::new(place.peers.join("weed"));
    command.current_dir(dir).arg("server");
    command.args(["-dir=.", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3", "-master.telemetry=false"]);
    // Each bucket is a collection with volumes of its own: many small ones.
    command.args(["-master.volumeSizeLimitMB=30", "-volume.max=8000", "-s3.port.iceberg=0", "-s3.port.lance=0"]);
    command.arg(format!("-s3.config={}", config.display()));
    for (offset, flag) in [
        "s3.port",
        "s3.port.grpc",
        "master.port",
        "master.port.grpc",
        "volume.port",
        "volume.port.grpc",
        "filer.port",
        "filer.port.grpc",
    ]
    .into_iter()
    .enumerate()
    {
        command.arg(format!("-{flag}={}", usize::from(place.port) + 10 + offset));
    }
    Ok(command)
}

fn rclone(place: &Place, dir: &Path) -> Command {
    let mut command = Command::new(place.peers.join("rclone"));
    command.args(["serve", "s3", "--config", "/dev/null", "--auth-key", &format!("{ACCESS_KEY},{SECRET}")]);
    command.args(["--addr", &format!("127.0.0.1:{}", place.port + 30)]).arg(dir);
    command
}

fn moto(place: &Place) -> Command {
    let mut command = Command::new(place.peers.join("moto_server"));
    command.args(["-H", "127.0.0.1", "-p", &(place.port + 31).to_string()]);
    command
}

/// rclone serves a directory: writing the files is quicker than sending them, and the listing is the same.
fn fill_directory(bucket: &Path, listing: Listing) -> Result<()> {
    let mut made = PathBuf::new();
    for key in listing.keys() {
        let path = bucket.join(key);
        if let Some(parent) = path.parent()
            && parent != made
        {
            fs::create_dir_all(parent)?;
            made = parent.to_path_buf();
        }
        fs::write(path, b"listed")?;
    }
    Ok(())
}
