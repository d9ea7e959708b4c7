//! The commands. Exit codes: 0 done, 1 the work failed, 2 wrong usage or configuration.

mod adopt;
mod apply;
mod audit;
mod bench;
mod client;
mod demo;
mod full;
mod health;
mod output;
mod receipt;
mod send;
mod stop;
mod usage;

use std::future::Future;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::config::{self, Config};
use crate::{descriptors, logging, serve};
use output::{complain, say, say_line};
use usage::Usage;

/// A self-hosted, multi-tenant receiver of privacy events.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    after_help = "Every setting is documented in config/default.toml; `conduit config print` shows the settings in force."
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
    /// Load an own server, or a running one, and show the results; sweep over settings.
    Bench(Box<bench::Bench>),
    /// Make controllers and integrations what a file says: shows what differs, asks, does it.
    Apply(apply::Apply),
    /// Write controllers and integrations as a file that apply takes; without credentials.
    Export(apply::Export),
    /// Ask the server that runs with this configuration whether it answers; 1 if not.
    Health(health::Health),
    /// Print the OpenAPI 3.1 document of the HTTP API.
    Openapi,
    /// Make this data directory and this database belong together, where `serve` refuses to; the server must not run.
    Adopt(adopt::Adopt),
    /// Work with receipts.
    #[command(subcommand)]
    Receipt(receipt::Receipt),
    /// Work with the audit log.
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Work with the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Validate the configuration.
    Check,
    /// Print the settings in force, without credentials.
    Print,
    /// Print what every setting means, as Markdown: docs/configuration.md.
    Reference,
    /// Print the categories of personal data that are built in, as Markdown: docs/categories.md.
    Categories,
}

/// Runs the command line.
#[must_use]
pub fn main() -> ExitCode {
    // Faults that the tests ask for by the variable FAILPOINTS. Without the feature this is nothing.
    #[cfg(feature = "failpoints")]
    let _scenario = fail::FailScenario::setup();
    // More than one cipher library may be linked: this one is used. An error means that it is chosen already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    // clap ends with 2 itself on wrong usage.
    let cli = Cli::parse();
    // Clients of a server need no configuration.
    let client = match &cli.command {
        Some(Command::Send(send)) => Some(block_on(send.run())),
        Some(Command::Apply(apply)) => Some(block_on(apply.run())),
        Some(Command::Export(export)) => Some(block_on(export.run())),
        _ => None,
    };
    if let Some(result) = client {
        return finish(result);
    }
    if let Some(Command::Bench(bench)) = &cli.command {
        return match descriptors::check_command() {
            Ok(()) => bench.run(),
            Err(few) => finish(Err(few.into())),
        };
    }
    if let Some(Command::Config(ConfigCommand::Reference)) = &cli.command {
        return finish(print(&config::reference()));
    }
    if let Some(Command::Config(ConfigCommand::Categories)) = &cli.command {
        return finish(print(&config::categories()));
    }
    if let Some(Command::Openapi) = &cli.command {
        return finish(print(crate::api::openapi::text()));
    }
    if let Some(Command::Receipt(command)) = &cli.command {
        return finish(block_on(command.run()));
    }
    let (config, warnings) = match serve::settings::load(cli.config.as_deref()) {
        Ok(loaded) => loaded,
        Err(error) => {
            complain!("conduit: {error}");
            return ExitCode::from(2);
        }
    };
    let command = cli.command.unwrap_or(Command::Serve);
    let quiet = matches!(
        command,
        Command::Demo(_) | Command::Adopt(_) | Command::Audit(_) | Command::Health(_)
    );
    let mut log = config.logging.clone();
    if quiet && log.filter == "info" {
        log.filter = "warn".to_owned();
    }
    if let Err(error) = logging::init(&log) {
        complain!("conduit: {error}");
        return ExitCode::from(2);
    }
    if matches!(command, Command::Serve) {
        log_warnings(&warnings);
    }
    if matches!(command, Command::Serve | Command::Demo(_))
        && let Err(few) = descriptors::connections_per_thread(&config, descriptors::raise_limit())
    {
        return finish(Err(few.into()));
    }
    finish(match command {
        Command::Serve => block_on(run_server(config, cli.config)),
        Command::Demo(demo) => block_on(demo.run(config)),
        Command::Health(health) => block_on(health.run(&config)),
        Command::Adopt(adopt) => block_on(adopt.run(config)),
        Command::Audit(audit) => block_on(audit.run(&config)),
        Command::Config(command) => print_config(&config, &warnings, &command),
        // Handled above: they need no configuration.
        Command::Send(_)
        | Command::Apply(_)
        | Command::Export(_)
        | Command::Bench(_)
        | Command::Openapi
        | Command::Receipt(_) => Ok(true),
    })
}

/// Runs a command in a runtime of its own. Making one needs descriptors, and panics without them.
fn block_on(command: impl Future<Output = Result<bool>>) -> Result<bool> {
    descriptors::check_command()?;
    actix_web::rt::System::new().block_on(command)
}

/// Logs settings without effect, or with an unexpected one.
fn log_warnings(warnings: &[String]) {
    for warning in warnings {
        tracing::warn!(target: "conduit::config", "{warning}");
    }
}

/// Returns the exit code. `Ok(false)`: the work was done, and its answer is no.
fn finish(result: Result<bool>) -> ExitCode {
    let printed = output::close().map_err(anyhow::Error::msg);
    match result.and_then(|done| printed.map(|()| done)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            complain!("conduit: {error:#}");
            if error.is::<Usage>() || error.is::<descriptors::TooFew>() || error.is::<serve::Misconfigured>() {
                ExitCode::from(2)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

async fn run_server(config: Config, file: Option<PathBuf>) -> Result<bool> {
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async {
            let hangups = serve::withstand_signals()?;
            let before = config.clone();
            let mut running = match serve::start(config).await {
                Err(error) if error.is::<serve::Interrupted>() => return Ok(true),
                started => started.map_err(|error| full::explained(error, &before))?,
            };
            running.reload_at(hangups, move || {
                let (config, warnings) = serve::settings::load(file.as_deref())?;
                log_warnings(&warnings);
                Ok(config)
            });
            let ended = running.until_signal().await;
            running.stop().await;
            ended.map(|()| true)
        })
        .await
}

fn print_config(config: &Config, warnings: &[String], command: &ConfigCommand) -> Result<bool> {
    match command {
        ConfigCommand::Check => {
            warnings.iter().for_each(|warning| complain!("warning: {warning}"));
            say_line!("The configuration is valid.");
        }
        // Handled before there is a configuration.
        ConfigCommand::Reference | ConfigCommand::Categories => {}
        ConfigCommand::Print => return print(&config.shown()),
    }
    Ok(true)
}

fn print(text: &str) -> Result<bool> {
    say!("{text}");
    Ok(true)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn variables_of_the_commands_are_known_to_the_configuration() {
        fn visit(command: &clap::Command) {
            for variable in command.get_arguments().filter_map(clap::Arg::get_env) {
                let name = variable.to_str().unwrap();
                assert!(
                    config::environment::OTHERS.contains(&name),
                    "{name} would be taken for a mistake"
                );
            }
            command.get_subcommands().for_each(visit);
        }
        visit(&Cli::command());
    }
}
