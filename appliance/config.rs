//! The appliance's configuration: flags over `MOCKFACTORY_*` variables over `mockfactory.toml` over defaults.
//!
//! One struct of options ([`Settings`]) is read from each of the three; all defaults stand in one
//! `impl Default`. An unknown flag, variable or key is an error: a mistyped one must not pass for its default.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::builder::BoolishValueParser;
use clap::{Args, CommandFactory as _, Parser};
use serde::Deserialize;

use crate::settings::{Durability, LogFormat, Port, Size, Span, from_file};

const VARIABLE_PREFIX: &str = "MOCKFACTORY_";
/// Read where there is one, in the working directory.
pub const FILE: &str = "mockfactory.toml";
/// Variables that other parts read: the client's, and those of `./run`, `./test` and the SDK tests.
const FOREIGN_VARIABLES: &[&str] = &["URL", "TOKEN", "CONFIG", "BIN", "CACHE", "CA", "HTTPS_URL", "PYTHON"];
const FOREIGN_PREFIXES: &[&str] = &["SDK_", "TEST_", "BENCH_"];

/// What may be set; what is `None` is left to the next source.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Directory that holds everything [default: ~/.local/share/mockfactory]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Port for HTTP, and for TLS as well; or off [default: 8080]
    #[arg(long, value_name = "PORT")]
    #[serde(default, deserialize_with = "from_file")]
    pub http_port: Option<Port>,
    /// Port for TLS alone; or off [default: 8443]
    #[arg(long, value_name = "PORT")]
    #[serde(default, deserialize_with = "from_file")]
    pub https_port: Option<Port>,
    /// Moves every port by this much
    #[arg(long, value_name = "N")]
    pub port_offset: Option<u16>,
    /// Addresses to listen on [default: 127.0.0.1,::1]
    #[arg(long, value_name = "IP", value_delimiter = ',')]
    pub listen: Option<Vec<IpAddr>>,
    /// Domain under which environments have their names [default: mockfactory.localhost]
    #[arg(long)]
    pub domain: Option<String>,
    /// Keep no env-default, the environment that accepts any credentials
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true",
          value_parser = BoolishValueParser::new(), value_name = "BOOL")]
    pub no_default_environment: Option<bool>,
    /// As root: keep environments on a btrfs image of at most this size
    #[arg(long, value_name = "SIZE")]
    #[serde(default, deserialize_with = "from_file")]
    pub volume_image: Option<Size>,
    /// What acknowledged writes survive: the death of the process, or the loss of power [default: process]
    #[arg(long, value_name = "process|power")]
    #[serde(default, deserialize_with = "from_file")]
    pub durability: Option<Durability>,
    /// Close an environment's engines after this long without a request [default: 30s]
    #[arg(long, value_name = "DURATION")]
    #[serde(default, deserialize_with = "from_file")]
    pub idle_close: Option<Span>,
    /// Threads that serve requests [default: one per core]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// What to log: off, error, warn, info, debug, trace, or per module [default: info]
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,
    /// How to log: text or json [default: text]
    #[arg(long, value_name = "FORMAT")]
    #[serde(default, deserialize_with = "from_file")]
    pub log_format: Option<LogFormat>,
    /// Write no access log
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true",
          value_parser = BoolishValueParser::new(), value_name = "BOOL")]
    pub no_access_log: Option<bool>,
}

impl Settings {
    /// What is not set here is taken from `other`.
    fn or(self, other: Self) -> Self {
        Self {
            data: self.data.or(other.data),
            http_port: self.http_port.or(other.http_port),
            https_port: self.https_port.or(other.https_port),
            port_offset: self.port_offset.or(other.port_offset),
            listen: self.listen.or(other.listen),
            domain: self.domain.or(other.domain),
            no_default_environment: self.no_default_environment.or(other.no_default_environment),
            volume_image: self.volume_image.or(other.volume_image),
            durability: self.durability.or(other.durability),
            idle_close: self.idle_close.or(other.idle_close),
            threads: self.threads.or(other.threads),
            log: self.log.or(other.log),
            log_format: self.log_format.or(other.log_format),
            no_access_log: self.no_access_log.or(other.no_access_log),
        }
    }
}

/// The configuration that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub data: PathBuf,
    /// `None`: off; 0: any free one.
    pub http_port: Option<u16>,
    pub https_port: Option<u16>,
    pub listen: Vec<IpAddr>,
    /// Lower case.
    pub domain: String,
    pub default_environment: bool,
    /// Bytes.
    pub volume_image: Option<u64>,
    pub durability: Durability,
    pub idle_close: Duration,
    /// 0: one per core.
    pub threads: usize,
    pub log: String,
    pub log_format: LogFormat,
    pub access_log: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: PathBuf::from("data"),
            http_port: Some(8080),
            https_port: Some(8443),
            listen: vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)],
            domain: "mockfactory.localhost".to_owned(),
            default_environment: true,
            volume_image: None,
            durability: Durability::Process,
            idle_close: Duration::from_secs(30),
            threads: 0,
            log: "info".to_owned(),
            log_format: LogFormat::Text,
            access_log: true,
        }
    }
}

/// The process's surroundings, as far as configuration reads them.
pub struct Surroundings {
    pub variables: Vec<(OsString, OsString)>,
    pub working_dir: PathBuf,
}

impl Surroundings {
    pub fn of_process() -> Result<Self> {
        let working_dir = std::env::current_dir().context("the working directory")?;
        Ok(Self { variables: std::env::vars_os().collect(), working_dir })
    }

    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.iter().find(|(key, _)| key == name).and_then(|(_, value)| value.to_str())
    }
}

/// `file`: as given by `--config`.
pub fn load(flags: Settings, file: Option<&Path>, surroundings: &Surroundings) -> Result<Config> {
    let settings = flags.or(from_variables(surroundings)?).or(read_file(file, surroundings)?);
    let mut config = settle(settings, surroundings)?;
    config.domain = config.domain.trim_end_matches('.').to_ascii_lowercase();
    validate(&config)?;
    Ok(config)
}

fn read_file(file: Option<&Path>, surroundings: &Surroundings) -> Result<Settings> {
    let named = file.map(Path::to_owned).or_else(|| surroundings.variable("MOCKFACTORY_CONFIG").map(PathBuf::from));
    let path = surroundings.working_dir.join(named.as_deref().unwrap_or(Path::new(FILE)));
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => return Ok(Settings::default()),
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    toml::from_str(&text).with_context(|| path.display().to_string())
}

#[derive(Parser)]
#[command(no_binary_name = true, disable_help_flag = true)]
struct Variables {
    #[command(flatten)]
    settings: Settings,
}

/// A variable is the flag of the same name: one parser reads both.
fn from_variables(surroundings: &Surroundings) -> Result<Settings> {
    let known: Vec<String> =
        Variables::command().get_arguments().filter_map(|flag| flag.get_long().map(str::to_owned)).collect();
    let mut settings = Settings::default();
    for (key, value) in &surroundings.variables {
        let Some(name) = key.to_str().and_then(|key| key.strip_prefix(VARIABLE_PREFIX)) else { continue };
        if FOREIGN_VARIABLES.contains(&name) || FOREIGN_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
            continue;
        }
        let flag = name.to_ascii_lowercase().replace('_', "-");
        if !known.contains(&flag) {
            bail!("unknown variable {VARIABLE_PREFIX}{name}; there are: {}", variables(&known));
        }
        let mut argument = OsString::from(format!("--{flag}="));
        argument.push(value);
        match Variables::try_parse_from([argument]) {
            Ok(one) => settings = settings.or(one.settings),
            Err(error) => {
                let text = error.to_string();
                let why = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
                bail!("{VARIABLE_PREFIX}{name}: {why}");
            }
        }
    }
    Ok(settings)
}

fn variables(flags: &[String]) -> String {
    let names = flags.iter().map(|flag| format!("{VARIABLE_PREFIX}{}", flag.replace('-', "_").to_ascii_uppercase()));
    names.collect::<Vec<_>>().join(", ")
}

fn settle(settings: Settings, surroundings: &Surroundings) -> Result<Config> {
    let defaults = Config::default();
    let offset = settings.port_offset.unwrap_or(0);
    let moved = |port: Option<Port>, default: Option<u16>, flag: &str| match port.map_or(default, |port| port.0) {
        None | Some(0) => Ok(port.map_or(default, |port| port.0)),
        Some(port) => match port.checked_add(offset) {
            Some(port) => Ok(Some(port)),
            None => bail!("{flag} {port} with --port-offset {offset} is above 65535"),
        },
    };
    let data = settings.data.unwrap_or_else(|| default_data_dir(surroundings, &defaults));
    Ok(Config {
        data: surroundings.working_dir.join(data),
        http_port: moved(settings.http_port, defaults.http_port, "--http-port")?,
        https_port: moved(settings.https_port, defaults.https_port, "--https-port")?,
        listen: settings.listen.unwrap_or(defaults.listen),
        domain: settings.domain.unwrap_or(defaults.domain),
        default_environment: settings.no_default_environment.map_or(defaults.default_environment, |no| !no),
        volume_image: settings.volume_image.map_or(defaults.volume_image, |size| Some(size.0)),
        durability: settings.durability.unwrap_or(defaults.durability),
        idle_close: settings.idle_close.map_or(defaults.idle_close, |span| span.0),
        threads: settings.threads.unwrap_or(defaults.threads),
        log: settings.log.unwrap_or(defaults.log),
        log_format: settings.log_format.unwrap_or(defaults.log_format),
        access_log: settings.no_access_log.map_or(defaults.access_log, |no| !no),
    })
}

/// The user's own directory for data; in the working directory where there is none.
fn default_data_dir(surroundings: &Surroundings, defaults: &Config) -> PathBuf {
    let absolute = |name| surroundings.variable(name).map(Path::new).filter(|path| path.is_absolute());
    match (absolute("XDG_DATA_HOME"), absolute("HOME")) {
        (Some(data), _) => data.join("mockfactory"),
        (None, Some(home)) => home.join(".local/share/mockfactory"),
        (None, None) => defaults.data.clone(),
    }
}

fn validate(config: &Config) -> Result<()> {
    const LABEL_BYTES_MAX: usize = 63;
    // Room for a bucket, a service and an environment in front of it, within a host name's 253 bytes.
    const DOMAIN_BYTES_MAX: usize = 120;
    if config.http_port.is_none() && config.https_port.is_none() {
        bail!("--http-port and --https-port are both off: nobody could reach the appliance");
    }
    if config.http_port == config.https_port && config.http_port != Some(0) {
        bail!(
            "--http-port and --https-port are the same; the HTTP port speaks TLS as well, so --https-port may be off"
        );
    }
    if config.listen.is_empty() {
        bail!("--listen: name at least one address");
    }
    let good = |label: &str| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if config.domain.len() > DOMAIN_BYTES_MAX || !config.domain.split('.').all(good) {
        bail!("--domain: {:?} is no domain name of up to {DOMAIN_BYTES_MAX} bytes", config.domain);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(flags: &str, variables: &[(&str, &str)], file: &str) -> Result<Config> {
        let dir = tempfile::tempdir()?;
        if !file.is_empty() {
            std::fs::write(dir.path().join(FILE), file)?;
        }
        let flags = Variables::try_parse_from(flags.split_whitespace())?.settings;
        let variables = variables.iter().map(|(key, value)| (OsString::from(key), OsString::from(value))).collect();
        let surroundings = Surroundings { variables, working_dir: dir.path().to_owned() };
        let mut config = load(flags, None, &surroundings)?;
        config.data = config.data.strip_prefix(dir.path()).map(Path::to_owned).unwrap_or(config.data);
        Ok(config)
    }

    #[track_caller]
    fn check(flags: &str, variables: &[(&str, &str)], file: &str, want: impl FnOnce(&mut Config)) {
        let mut expected = Config::default();
        want(&mut expected);
        assert_eq!(loaded(flags, variables, file).expect("a configuration"), expected);
    }

    #[track_caller]
    fn refused(flags: &str, variables: &[(&str, &str)], file: &str, want: &str) {
        let error = format!("{:#}", loaded(flags, variables, file).expect_err("an error"));
        assert!(error.contains(want), "{error}");
    }

    #[test]
    fn flags_over_variables_over_file_over_defaults() {
        check("", &[], "", |_| {});
        check("", &[], "http_port = 1", |c| c.http_port = Some(1));
        check("", &[("MOCKFACTORY_HTTP_PORT", "2")], "http_port = 1", |c| c.http_port = Some(2));
        check("--http-port 3", &[("MOCKFACTORY_HTTP_PORT", "2")], "http_port = 1", |c| c.http_port = Some(3));
        check("--port-offset 100", &[], "", |c| {
            c.http_port = Some(8180);
            c.https_port = Some(8543);
        });
        check("--port-offset 100 --http-port 0", &[], "https_port = \"off\"", |c| {
            c.http_port = Some(0);
            c.https_port = None;
        });
        check("--no-default-environment", &[], "", |c| c.default_environment = false);
        check("", &[("MOCKFACTORY_NO_DEFAULT_ENVIRONMENT", "1")], "", |c| c.default_environment = false);
        check("--no-default-environment=false", &[], "no_default_environment = true", |_| {});
        check("--volume-image 20G", &[], "volume_image = 5", |c| c.volume_image = Some(20 << 30));
        check("", &[("MOCKFACTORY_DURABILITY", "power")], "", |c| c.durability = Durability::Power);
        check("", &[], "idle_close = \"2s\"\nlisten = [\"0.0.0.0\"]", |c| {
            c.idle_close = Duration::from_secs(2);
            c.listen = vec![IpAddr::V4(Ipv4Addr::UNSPECIFIED)];
        });
        check("--domain Cloud.Example.", &[], "", |c| c.domain = "cloud.example".to_owned());
        check("", &[("HOME", "/h")], "", |c| c.data = PathBuf::from("/h/.local/share/mockfactory"));
        check("--data d", &[("HOME", "/h"), ("XDG_DATA_HOME", "/x")], "", |c| c.data = PathBuf::from("d"));
        check("", &[("HOME", "/h"), ("XDG_DATA_HOME", "/x")], "", |c| c.data = PathBuf::from("/x/mockfactory"));
        check("", &[("MOCKFACTORY_TOKEN", "t"), ("MOCKFACTORY_SDK_NODE", "n"), ("PATH", "p")], "", |_| {});
    }

    #[test]
    fn what_is_unknown_or_wrong_is_an_error() {
        refused("", &[("MOCKFACTORY_HTPP_PORT", "1")], "", "unknown variable MOCKFACTORY_HTPP_PORT");
        refused("", &[("MOCKFACTORY_HTTP_PORT", "x")], "", "MOCKFACTORY_HTTP_PORT: invalid value 'x'");
        refused("", &[], "htpp_port = 1", "unknown field `htpp_port`");
        refused("", &[], "http_port = 70000", "expected a port");
        refused("", &[], "durability = \"none\"", "expected process or power");
        refused("", &[], "domain = 5", "expected a string");
        refused("", &[("MOCKFACTORY_CONFIG", "nowhere.toml")], "", "nowhere.toml");
        refused("--http-port off --https-port off", &[], "", "both off");
        refused("--http-port 5 --https-port 5", &[], "", "the same");
        refused("--port-offset 60000", &[], "", "above 65535");
        refused("--domain a..b", &[], "", "no domain name");
        refused("--domain=-a.b", &[], "", "no domain name");
    }
}
