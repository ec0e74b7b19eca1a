//! `mockfactory doctor`: what this machine offers the appliance, what that means, and what stands in the way.
//!
//! Each check says what it found and, where there is something to do, what. Only what would make `up` fail
//! fails the command.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use rustix::fs::{Access, access, statvfs};
use rustix::process::{Resource, geteuid, getrlimit};
use serde::Serialize;
use serde_json::json;
use storage::volumes::{Backing, Volumes};

use crate::config::Config;
use crate::data_dir::{self, CA_DIR};
use crate::output::{print, print_json};

/// Below this much free space writes may soon fail, in bytes.
const DISK_BYTES_LOW: u64 = 2 * 1024 * 1024 * 1024;
/// Below this `up` cannot be expected to come up, in bytes.
const DISK_BYTES_MIN: u64 = 64 * 1024 * 1024;
/// Open files that a thousand connections and a hundred open environments take.
const OPEN_FILES_LOW: u64 = 8192;
const DOCKER_SOCKET: &str = "/var/run/docker.sock";
const DOCKER_TIMEOUT: Duration = Duration::from_secs(2);
/// Where Debian, Fedora and Alpine keep the certificates that the machine trusts.
const TRUSTED: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    /// Works, with a drawback.
    Note,
    /// `up` would fail.
    Fail,
}

#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    verdict: Verdict,
    text: String,
    /// What to do about it.
    hint: Option<String>,
}

impl Check {
    fn new(name: &'static str, verdict: Verdict, text: impl Into<String>) -> Self {
        Self { name, verdict, text: text.into(), hint: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

pub fn run(config: &Config, as_json: bool) -> Result<ExitCode> {
    let checks = examine(config);
    let failed = checks.iter().any(|check| check.verdict == Verdict::Fail);
    if as_json {
        print_json(&json!({"ok": !failed, "checks": checks}))?;
    } else {
        print(&report(&checks))?;
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn examine(config: &Config) -> Vec<Check> {
    let holder = data_dir::held_by(&config.data);
    let mut checks = vec![data_directory(&config.data, holder.as_deref()), disk(&config.data)];
    checks.push(volumes(config));
    for (flag, port) in [("--http-port", config.http_port), ("--https-port", config.https_port)] {
        checks.extend(port.map(|port| free_port(config, flag, port, holder.is_some())));
    }
    checks.extend([names(config), certificate(config), open_files(), docker(Path::new(DOCKER_SOCKET))]);
    checks
}

fn report(checks: &[Check]) -> String {
    let mut text = String::new();
    for check in checks {
        let mark = match check.verdict {
            Verdict::Ok => "ok",
            Verdict::Note => "note",
            Verdict::Fail => "FAIL",
        };
        let _ = writeln!(text, "{mark:<5} {:<15} {}", check.name, check.text);
        if let Some(hint) = &check.hint {
            let _ = writeln!(text, "{:<21} → {hint}", "");
        }
    }
    text
}

fn data_directory(data: &Path, holder: Option<&str>) -> Check {
    let name = "data directory";
    let shown = data.display();
    if let Some(holder) = holder {
        return Check::new(name, Verdict::Note, format!("{shown} is in use by an appliance ({holder})"));
    }
    let nearest = nearest_existing(data);
    if !nearest.is_dir() {
        return Check::new(name, Verdict::Fail, format!("{} is not a directory", nearest.display()));
    }
    match access(&nearest, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => Check::new(name, Verdict::Ok, format!("{shown} can be written")),
        Err(error) => Check::new(name, Verdict::Fail, format!("{} cannot be written: {error}", nearest.display()))
            .hint("choose another one with --data"),
    }
}

fn disk(data: &Path) -> Check {
    let name = "disk space";
    let nearest = nearest_existing(data);
    let Ok(stat) = statvfs(&nearest) else {
        return Check::new(name, Verdict::Note, format!("cannot be told for {}", nearest.display()));
    };
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let verdict = match free {
        ..DISK_BYTES_MIN => Verdict::Fail,
        DISK_BYTES_MIN..DISK_BYTES_LOW => Verdict::Note,
        _ => Verdict::Ok,
    };
    Check::new(name, verdict, format!("{} MiB free", free >> 20))
}

fn volumes(config: &Config) -> Check {
    let name = "volumes";
    let found = match Volumes::probe(&config.data) {
        Ok(found) => found,
        Err(error) => return Check::new(name, Verdict::Note, format!("cannot be told: {error}")),
    };
    let verdict = if matches!(found.backing, Backing::Btrfs | Backing::Reflink) { Verdict::Ok } else { Verdict::Note };
    let check = Check::new(name, verdict, found.text);
    if verdict == Verdict::Ok {
        return check;
    }
    match Volumes::image_obstacle(&config.data) {
        None => check.hint("`up --volume-image 20G` keeps environments on a btrfs image, where a branch is a snapshot"),
        Some(_) if !geteuid().is_root() => check
            .hint("as root, `up --volume-image 20G` keeps environments on a btrfs image, where a branch is a snapshot"),
        Some(obstacle) => check.hint(format!("a btrfs image (`up --volume-image`) cannot be made: {obstacle}")),
    }
}

fn free_port(config: &Config, flag: &'static str, port: u16, in_use: bool) -> Check {
    let name = if flag == "--http-port" { "HTTP port" } else { "HTTPS port" };
    for host in &config.listen {
        let address = SocketAddr::new(*host, port);
        match TcpListener::bind(address) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && in_use => {
                return Check::new(
                    name,
                    Verdict::Note,
                    format!("{port} is taken, it seems by the appliance that runs"),
                );
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                return Check::new(name, Verdict::Fail, format!("{port} is taken (address {address})"))
                    .hint(format!("choose another one with {flag}, or move all with --port-offset"));
            }
            // A machine without IPv6 has no ::1; the other address serves.
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable && host.is_ipv6() => {}
            Err(error) => {
                return Check::new(name, Verdict::Fail, format!("{address} cannot be listened on: {error}"))
                    .hint(format!("choose another port with {flag}"));
            }
        }
    }
    Check::new(name, Verdict::Ok, format!("{port} is free"))
}

fn names(config: &Config) -> Check {
    let name = "host names";
    let example = format!("s3.env-default.{}", config.domain);
    let resolved = (example.as_str(), 0).to_socket_addrs().ok().and_then(|mut addresses| addresses.next());
    match resolved {
        Some(address) => Check::new(name, Verdict::Ok, format!("{example} resolves to {}", address.ip())),
        None => Check::new(name, Verdict::Note, format!("{example} does not resolve")).hint(
            "use path_endpoints (http://localhost:…/env/<id>/…), or apt-get install libnss-myhostname for *.localhost",
        ),
    }
}

fn certificate(config: &Config) -> Check {
    let name = "local CA";
    let path = config.data.join(CA_DIR).join(proxy::CA_CERTIFICATE_FILE);
    let Ok(pem) = fs::read_to_string(&path) else {
        return Check::new(name, Verdict::Ok, "is made at the first start");
    };
    let trusted =
        TRUSTED.iter().filter_map(|bundle| fs::read_to_string(bundle).ok()).any(|bundle| holds(&bundle, &pem));
    if trusted {
        return Check::new(name, Verdict::Ok, format!("{} is trusted by this machine", path.display()));
    }
    Check::new(name, Verdict::Note, format!("{} is not among the machine's trusted certificates", path.display()))
        .hint("`mockfactory ca --install` says how; one client at a time: AWS_CA_BUNDLE, REQUESTS_CA_BUNDLE, NODE_EXTRA_CA_CERTS")
}

/// Whether a bundle of certificates holds this one, however its lines are broken.
fn holds(bundle: &str, pem: &str) -> bool {
    let bare = |text: &str| text.split_whitespace().collect::<String>();
    !pem.trim().is_empty() && bare(bundle).contains(&bare(pem))
}

fn open_files() -> Check {
    let limit = getrlimit(Resource::Nofile).maximum;
    match limit {
        Some(limit) if limit < OPEN_FILES_LOW => Check::new("open files", Verdict::Note, format!("at most {limit}"))
            .hint("raise it with ulimit -Hn, or LimitNOFILE= of the unit"),
        Some(limit) => Check::new("open files", Verdict::Ok, format!("up to {limit}")),
        None => Check::new("open files", Verdict::Ok, "no limit"),
    }
}

/// Databases and functions will run in containers where a daemon answers, else as processes of the appliance.
fn docker(socket: &Path) -> Check {
    let name = "real servers";
    match ping(socket) {
        Ok(true) => Check::new(name, Verdict::Ok, format!("Docker answers at {}: containers", socket.display())),
        _ => Check::new(name, Verdict::Ok, "no Docker daemon answers: processes of the appliance"),
    }
}

fn ping(socket: &Path) -> io::Result<bool> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(DOCKER_TIMEOUT))?;
    stream.set_write_timeout(Some(DOCKER_TIMEOUT))?;
    stream.write_all(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")?;
    let mut head = [0; 64];
    let length = stream.read(&mut head)?;
    let head = String::from_utf8_lossy(&head[..length]);
    Ok(head.starts_with("HTTP/1.") && head.contains(" 200 "))
}

fn nearest_existing(path: &Path) -> PathBuf {
    path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/")).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(data: &Path) -> Config {
        Config { data: data.to_owned(), http_port: Some(0), https_port: None, ..Config::default() }
    }

    #[test]
    fn a_taken_port_fails_and_names_its_flag() {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = taken.local_addr().expect("an address").port();
        let dir = tempfile::tempdir().expect("a directory");
        let check = free_port(&config(dir.path()), "--http-port", port, false);
        assert_eq!(check.verdict, Verdict::Fail);
        assert!(check.text.contains(&port.to_string()));
        assert!(check.hint.is_some_and(|hint| hint.contains("--http-port")));
    }

    #[test]
    fn a_directory_that_does_not_exist_yet_is_fine() {
        let dir = tempfile::tempdir().expect("a directory");
        let data = dir.path().join("not/yet");
        let checks = examine(&config(&data));
        assert!(checks.iter().all(|check| check.verdict != Verdict::Fail), "{checks:?}");
        assert!(!data.exists());
        assert_eq!(data_directory(Path::new("/proc/version/data"), None).verdict, Verdict::Fail);
    }

    #[test]
    fn a_certificate_is_found_in_a_bundle() {
        assert!(holds("x\n-----BEGIN-----\nAB\nCD\n-----END-----\ny", "-----BEGIN-----\nABCD\n-----END-----\n"));
        assert!(!holds("x", ""));
        assert!(!holds("-----BEGIN-----\nAB\n-----END-----", "-----BEGIN-----\nCD\n-----END-----"));
    }
}
