//! `mockfactory`: one process that answers as seven clouds.
//!
//! `up` ([`up`]) is the appliance; every other command is a client of its control plane ([`client`]), but for
//! `ca` and `doctor`, which look at this machine.

mod access_log;
mod cli;
mod client;
mod commands;
mod config;
mod data_dir;
mod dispatch;
mod doctor;
mod output;
mod settings;
mod up;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match cli::run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("mockfactory: {error:#}");
            ExitCode::FAILURE
        }
    }
}
