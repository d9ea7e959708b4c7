//! The commands. Exit codes: 0 done, 1 the work failed, 2 wrong usage or configuration.

mod demo;
mod health;
mod send;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use conduit_actors::ids::{ControllerDid, Sequence};

use crate::config::{Config, Database};
use crate::{audit, logging, serve};

/// A self-hosted, multi-tenant receiver of privacy events.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    after_help = "Every setting is documented in config/default.toml; `conduit config print` shows what is in force."
)]
struct Cli {
    /// Configuration file (TOML); CONDUIT_CONFIG names one as well.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve HTTP and the pipeline (the default).
    Serve,
    /// Serve with a sample controller and a stream of sample events, and show what becomes of them.
    Demo(demo::Demo),
    /// Send events from a file, as JSON or NDJSON.
    Send(send::Send),
    /// Ask the server that runs with this configuration whether it answers; 1 if not.
    Health(health::Health),
    /// Work with the audit log.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Work with the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Check that no record was changed, removed or reordered; 1 if one was.
    Verify {
        /// One controller's chain only.
        #[arg(long)]
        did: Option<ControllerDid>,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Validate the configuration.
    Check,
    /// Print what is in force; credentials are not shown.
    Print,
}

/// Runs the command line.
#[must_use]
#[allow(clippy::print_stderr)]
pub fn main() -> ExitCode {
    // Faults that the tests ask for by the variable FAILPOINTS. Without the feature this is nothing.
    #[cfg(feature = "failpoints")]
    let _scenario = fail::FailScenario::setup();
    // More than one cipher library may be linked: this one is used. An error means that it is chosen already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    // clap ends with 2 itself on wrong usage.
    let cli = Cli::parse();
    if let Some(Command::Send(send)) = &cli.command {
        return finish(actix_web::rt::System::new().block_on(send.run()));
    }
    let config = match Config::load(cli.config.as_deref()) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("conduit: {error}");
            return ExitCode::from(2);
        }
    };
    let command = cli.command.unwrap_or(Command::Serve);
    let quiet = matches!(command, Command::Demo(_) | Command::Audit(_) | Command::Health(_));
    let mut log = config.logging.clone();
    if quiet && log.filter == "info" {
        log.filter = "warn".to_owned();
    }
    if let Err(error) = logging::init(&log) {
        eprintln!("conduit: {error}");
        return ExitCode::from(2);
    }
    let system = actix_web::rt::System::new();
    finish(match command {
        Command::Serve => system.block_on(run_server(config)),
        Command::Demo(demo) => system.block_on(demo.run(config)),
        Command::Health(health) => system.block_on(health.run(&config)),
        Command::Audit(AuditCommand::Verify { did }) => system.block_on(verify(config, did)),
        Command::Config(command) => print_config(&config, &command),
        // Handled above: it needs no configuration.
        Command::Send(_) => Ok(true),
    })
}

/// `Ok(false)`: the work was done, and its answer is no.
#[allow(clippy::print_stderr)]
fn finish(result: Result<bool>) -> ExitCode {
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("conduit: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run_server(config: Config) -> Result<bool> {
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async {
            let mut running = serve::start(config).await?;
            let ended = running.until_signal().await;
            running.stop().await;
            ended.map(|()| true)
        })
        .await
}

#[allow(clippy::print_stdout)]
async fn verify(config: Config, did: Option<ControllerDid>) -> Result<bool> {
    if let Database::Sqlite(path) = config.database() {
        anyhow::ensure!(
            path.exists(),
            "there is no database at {}: is the data directory right?",
            path.display()
        );
    }
    let (store, _) = serve::open_store(&config).await?;
    let reports = audit::verify(&*store, did.as_ref()).await?;
    if let Some(did) = did.filter(|_| reports.is_empty()) {
        anyhow::bail!("there is no controller {did}");
    }
    let mut good = true;
    for report in &reports {
        match &report.fault {
            None => println!("{}: {}", report.did, extent(report)),
            Some(fault) => {
                good = false;
                println!("{}: BROKEN behind record {}: {fault}", report.did, report.head.sequence);
            }
        }
    }
    println!(
        "{}",
        if good {
            "The audit log verifies."
        } else {
            "The audit log does NOT verify."
        }
    );
    Ok(good)
}

/// Which records were verified.
fn extent(report: &audit::ChainReport) -> String {
    let (anchor, head) = (report.anchor, report.head);
    if anchor.sequence == Sequence(0) {
        return format!("{} records, head {}", head.sequence, head.hash);
    }
    let verified = if head == anchor {
        "no records are left".to_owned()
    } else {
        let count = head.sequence.0 - anchor.sequence.0;
        format!("{count} records, from {} on", anchor.sequence.next())
    };
    let (last, hash) = (anchor.sequence, anchor.hash);
    format!(
        "{verified}, head {} {}; up to {last} they were deleted by their age, the last was {hash}",
        head.sequence, head.hash
    )
}

#[allow(clippy::print_stdout)]
fn print_config(config: &Config, command: &ConfigCommand) -> Result<bool> {
    match command {
        ConfigCommand::Check => println!("The configuration is valid."),
        ConfigCommand::Print => {
            use std::io::Write as _;
            std::io::stdout()
                .write_all(config.shown().as_bytes())
                .context("cannot print")?;
        }
    }
    Ok(true)
}
