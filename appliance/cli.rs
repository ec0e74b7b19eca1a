//! The command line: what there is to say, and which function hears it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use crate::client::{Client, Target};
use crate::config::{self, Config, Settings, Surroundings};
use crate::{commands, doctor, up};

#[derive(Parser)]
#[command(name = "mockfactory", version, about = "Seven clouds in one process", arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the appliance in the foreground
    Up {
        #[command(flatten)]
        settings: Box<Settings>,
        /// Configuration file [default: mockfactory.toml, where there is one]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Print addresses and paths as one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Make, look at, branch, reset and delete environments
    Env {
        #[command(subcommand)]
        command: commands::Env,
    },
    /// Make, list and revoke tokens of the control plane
    Token {
        #[command(subcommand)]
        command: commands::Token,
    },
    /// Services, built and planned, and their prices
    Catalogue {
        /// Packages of services instead
        #[arg(long)]
        packages: bool,
        #[command(flatten)]
        remote: Remote,
    },
    /// The certificate of the local CA, for clients to trust
    Ca {
        /// Print the path alone
        #[arg(long, conflicts_with = "install")]
        path: bool,
        /// Print how to make this machine trust it
        #[arg(long)]
        install: bool,
        #[command(flatten)]
        local: Local,
    },
    /// What this machine offers, and what stands in the way
    Doctor {
        #[command(flatten)]
        settings: Box<Settings>,
        /// Configuration file [default: mockfactory.toml, where there is one]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        #[arg(long)]
        json: bool,
    },
}

/// How a command reaches the appliance.
#[derive(Args, Clone, Debug)]
pub struct Remote {
    /// The appliance's address [default: MOCKFACTORY_URL, or what the data directory says]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// [default: MOCKFACTORY_TOKEN, or the admin token in the data directory]
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    #[command(flatten)]
    local: Local,
}

/// How a command finds the appliance's data directory.
#[derive(Args, Clone, Debug)]
pub struct Local {
    /// The appliance's data directory [default: ~/.local/share/mockfactory]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

impl Local {
    pub fn config(&self, surroundings: &Surroundings) -> Result<Config> {
        config::load(Settings { data: self.data.clone(), ..Settings::default() }, None, surroundings)
    }
}

impl Remote {
    pub fn client(&self) -> Result<Client> {
        let surroundings = Surroundings::of_process()?;
        let config = self.local.config(&surroundings)?;
        let target = Target { url: self.url.clone(), token: self.token.clone() };
        Client::new(target, &config, &surroundings)
    }

    pub fn json(&self) -> bool {
        self.local.json
    }
}

pub fn run() -> Result<ExitCode> {
    let surroundings = Surroundings::of_process()?;
    match Cli::parse().command {
        Command::Up { settings, config, json } => {
            let config = config::load(*settings, config.as_deref(), &surroundings)?;
            up::run(&config, json)?;
        }
        Command::Env { command } => commands::env(command)?,
        Command::Token { command } => commands::token(command, &surroundings)?,
        Command::Catalogue { packages, remote } => commands::catalogue(packages, &remote)?,
        Command::Ca { path, install, local } => commands::ca(path, install, &local, &surroundings)?,
        Command::Doctor { settings, config, json } => {
            let config = config::load(*settings, config.as_deref(), &surroundings)?;
            return doctor::run(&config, json);
        }
    }
    Ok(ExitCode::SUCCESS)
}
