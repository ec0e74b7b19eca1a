//! `mockfactory up`: the appliance's life, from configuration to the last drained request.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use protocols::mockfactory::tokens::{ADMIN_TOKEN_FILE, Opened, Tokens};
use protocols::mockfactory::{Control, default_environment};
use protocols::{AccessLog, Cloud};
use proxy::{Edge, EdgeConfig, Limits, Listen, Signals};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use storage::environments::{Environments, EnvironmentsConfig};
use storage::volumes::{Backing, Volumes};
use tokio::runtime::Runtime;

use crate::access_log::FileAccessLog;
use crate::config::Config;
use crate::data_dir::{CA_DIR, DataDir, LOGS_DIR, Running};
use crate::dispatch::{Door, NoAccessLog};
use crate::settings::{Durability, LogFormat};

/// How often environments look after themselves (expiry, idleness).
const TICK: Duration = Duration::from_secs(1);
/// How often the metrics' recorder tidies up.
const METRICS_UPKEEP: Duration = Duration::from_secs(5);

/// Runs until a signal; `json`: what is printed at the start is one JSON object.
pub fn run(config: &Config, json: bool) -> Result<()> {
    let started = Instant::now();
    start_log(config)?;
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow!("a crypto provider is installed already"))?;
    raise_open_files();
    let dir = DataDir::hold(&config.data)?;
    let door = Arc::new(Door::default());
    let edge = Edge::new(edge_config(config, &dir.path), Arc::<Door>::clone(&door))?;
    let background = background_runtime()?;
    let metrics = PrometheusBuilder::new().install_recorder().context("metrics")?;
    let opened = Tokens::open(&dir.path)?;
    let environments = open_environments(config, &dir.path)?;
    if config.default_environment {
        background.block_on(default_environment::keep(&environments)).context("env-default")?;
    }
    let cloud = Arc::new(Cloud {
        environments: Arc::clone(&environments),
        domain: config.domain.clone(),
        http_port: edge.bound().http.first().map(SocketAddr::port),
        https_port: edge.bound().https.first().map(SocketAddr::port),
        access_log: access_log(config, &dir.path)?,
        control: control(&opened, metrics.clone()),
    });
    door.open(Arc::clone(&cloud));
    background.spawn(tick(Arc::clone(&environments)));
    background.spawn(metrics_upkeep(metrics));

    let welcome = Welcome { config, dir: &dir.path, cloud: &cloud, opened: &opened, ca: edge.ca_certificate() };
    dir.announce(&welcome.running())?;
    let text = if json { welcome.json() } else { welcome.text() };
    let ready = Arc::clone(&cloud);
    edge.run(Signals::Process, move || {
        ready.control.set_ready(true);
        print(&text.replace(STARTED_IN, &started.elapsed().as_millis().to_string()));
    });

    cloud.control.set_ready(false);
    background.block_on(environments.shutdown());
    // What still runs there has nothing left to write.
    background.shutdown_background();
    tracing::info!("stopped");
    Ok(())
}

/// To standard error: what is printed for reading goes to standard output.
fn start_log(config: &Config) -> Result<()> {
    let filter: tracing_subscriber::EnvFilter =
        config.log.parse().with_context(|| format!("--log {:?}", config.log))?;
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    let started = match config.log_format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().try_init(),
    };
    started.map_err(|error| anyhow!("the log cannot be started: {error}"))
}

/// Engines keep files open, clients connections: take what the system allows without asking.
fn raise_open_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        tracing::debug!("the limit on open files stays at {current:?}: {error}");
    }
}

fn edge_config(config: &Config, dir: &Path) -> EdgeConfig {
    let listen = |port: Option<u16>, flag| port.map(|port| Listen { hosts: config.listen.clone(), port, flag });
    EdgeConfig {
        http: listen(config.http_port, "--http-port"),
        https: listen(config.https_port, "--https-port"),
        ca_dir: dir.join(CA_DIR),
        domain: config.domain.clone(),
        threads: config.threads,
        limits: Limits::default(),
    }
}

/// For what no request waits for; requests run on the edge's own threads.
fn background_runtime() -> Result<Runtime> {
    const BLOCKING_THREADS_MAX: usize = 4;
    const BLOCKING_KEEP_ALIVE: Duration = Duration::from_secs(5);
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).max_blocking_threads(BLOCKING_THREADS_MAX).thread_keep_alive(BLOCKING_KEEP_ALIVE);
    builder.thread_name("background").enable_all().build().context("the background runtime")
}

fn open_environments(config: &Config, dir: &Path) -> Result<Arc<Environments>> {
    if let Some(size) = config.volume_image {
        Volumes::create_image(dir, size).context("--volume-image")?;
    }
    let mut settings = EnvironmentsConfig::new(dir);
    settings.power_safe = config.durability == Durability::Power;
    settings.idle_close = config.idle_close;
    let environments = Environments::open(settings).context("environments")?;
    let volumes = environments.describe();
    tracing::info!(file_system = volumes.file_system, backing = ?volumes.backing, "volumes: {}", volumes.text);
    Ok(environments)
}

fn access_log(config: &Config, dir: &Path) -> Result<Box<dyn AccessLog>> {
    if !config.access_log {
        return Ok(Box::new(NoAccessLog));
    }
    let logs = dir.join(LOGS_DIR);
    Ok(Box::new(FileAccessLog::open(&logs).with_context(|| logs.display().to_string())?))
}

fn control(opened: &Opened, metrics: PrometheusHandle) -> Control {
    Control::new(Arc::clone(&opened.tokens), Box::new(move || metrics.render()))
}

async fn tick(environments: Arc<Environments>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        environments.tick(storage::clock::system_now()).await;
    }
}

async fn metrics_upkeep(metrics: PrometheusHandle) {
    let mut ticks = tokio::time::interval(METRICS_UPKEEP);
    loop {
        ticks.tick().await;
        metrics.run_upkeep();
    }
}

/// As it was called: what is to be copied works where it is read.
fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "mockfactory".to_owned())
}

/// Stands in the text until the time of readiness is known.
const STARTED_IN: &str = "{started_in}";

/// What is said at the start: what a newcomer needs to copy.
struct Welcome<'a> {
    config: &'a Config,
    dir: &'a Path,
    cloud: &'a Cloud,
    opened: &'a Opened,
    ca: &'a Path,
}

impl Welcome<'_> {
    fn running(&self) -> Running {
        let url = |scheme: &str, port: Option<u16>| port.map(|port| format!("{scheme}://localhost:{port}"));
        Running {
            pid: std::process::id(),
            http: url("http", self.cloud.http_port),
            https: url("https", self.cloud.https_port),
        }
    }

    /// The address for examples.
    fn url(&self) -> String {
        let running = self.running();
        running.http.or(running.https).unwrap_or_default()
    }

    fn json(&self) -> String {
        let Running { pid, http, https } = self.running();
        let said = json!({
            "pid": pid, "http": http, "https": https, "data": self.dir, "ca": self.ca, "domain": self.cloud.domain,
            "admin_token_file": self.dir.join(ADMIN_TOKEN_FILE),
            "admin_token": self.opened.minted.then_some(&self.opened.admin_token),
            "default_environment": self.config.default_environment,
            "volumes": self.cloud.environments.describe(),
        });
        format!("{said}\n")
    }

    fn text(&self) -> String {
        let Running { http, https, .. } = self.running();
        let mut text = format!("MockFactory {} is ready ({STARTED_IN} ms)\n\n", env!("CARGO_PKG_VERSION"));
        // Writing into a string does not fail.
        let mut line = |name: &str, value: String| {
            let _ = writeln!(text, "  {name:<8} {value}");
        };
        if let Some(http) = http {
            line("HTTP", http);
        }
        if let Some(https) = https {
            line("HTTPS", format!("{https}  (clients trust {})", self.ca.display()));
        }
        line("data", format!("{}  ({})", self.dir.display(), self.volumes()));
        let token_file = self.dir.join(ADMIN_TOKEN_FILE);
        if self.opened.minted {
            line("token", format!("{}  (kept in {})", self.opened.admin_token, token_file.display()));
        } else {
            line("token", format!("in {}", token_file.display()));
        }
        text.push_str(&self.example());
        text
    }

    fn volumes(&self) -> &'static str {
        match self.cloud.environments.describe().backing {
            Backing::Btrfs => "btrfs: a branch is a snapshot",
            Backing::Reflink => "reflink: a branch shares its blocks",
            Backing::HardLink => "hard links: a branch shares what cannot change",
            Backing::Copy => "copy: a branch copies everything",
        }
    }

    fn example(&self) -> String {
        let url = self.url();
        if self.config.default_environment {
            return format!(
                "\nTry it, any credentials will do:\n\n  \
                 export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1\n  \
                 aws --endpoint-url {url} s3 mb s3://b\n  \
                 echo hello | aws --endpoint-url {url} s3 cp - s3://b/hello.txt\n\n\
                 An environment with keys of its own:  {} env create --services aws_s3\n",
                program()
            );
        }
        format!(
            "\nMake an environment:\n\n  curl -X POST {url}/api/v1/environments \
             -H \"Authorization: Bearer $(cat {})\" -d '{{\"services\": [\"aws_s3\"]}}'\n",
            self.dir.join(ADMIN_TOKEN_FILE).display()
        )
    }
}

/// Whoever started it may have closed its output; that is no reason to stop.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
