//! `conduit apply` and `conduit export`: controllers and integrations as a file.
//!
//! `apply` reads the present state, plans the changes, shows them, and then makes them. Each change applies to the
//! version for which it was planned, so it overwrites nothing that somebody else changed meanwhile. Changes before a
//! failure stay; the next run plans the rest.

mod actual;
mod credentials;
mod file;
mod plan;

use std::io::IsTerminal as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use conduit_actors::ids::ControllerDid;

use super::client::Api;
use super::output::{say, say_line};
use super::usage::Usage;
use actual::Actual;
use credentials::Credentials;
use file::Format;
use plan::Plan;

/// Where the server is, and by which right.
#[derive(Debug, Args)]
struct Server {
    /// The server's address, as http://127.0.0.1:8080.
    #[arg(long, env = "CONDUIT_API_URL")]
    url: String,
    /// The operator's token or, for a controller's own objects, its management token.
    #[arg(long, env = "CONDUIT_API_TOKEN", hide_env_values = true)]
    token: String,
}

impl Server {
    fn api(&self) -> Result<Api, Usage> {
        Api::of_arguments(&self.url, &self.token)
    }
}

/// See the module's docs.
#[derive(Debug, Args)]
pub(super) struct Apply {
    #[command(flatten)]
    server: Server,
    /// Show the plan, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Do it without asking.
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,
    /// Delete objects that are not in the file: integrations, and controllers with all their data.
    #[arg(long)]
    prune: bool,
    /// Add new credentials to this file (mode 0600, one JSON object a line) instead of printing them.
    #[arg(long, value_name = "FILE")]
    credentials_out: Option<PathBuf>,
    /// TOML or, with the extension .json, JSON; - for standard input, which may be either.
    file: PathBuf,
}

/// See the module's docs.
#[derive(Debug, Args)]
pub(super) struct Export {
    #[command(flatten)]
    server: Server,
    /// One controller only.
    #[arg(long)]
    did: Option<ControllerDid>,
    /// How it is written.
    #[arg(long, value_enum, default_value_t = FormatOption::Toml)]
    format: FormatOption,
    /// Write to this file instead of printing.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormatOption {
    Toml,
    Json,
}

impl Apply {
    pub(super) async fn run(&self) -> Result<bool> {
        let desired = file::read(&self.file)?;
        let api = self.server.api()?;
        desired
            .check(&self.file, &api.categories().await?)
            .map_err(|faults| Usage(faults.join("\n")))?;
        let actual = Actual::read(&api, desired.dids_with_limits()).await?;
        let plan = Plan::new(&desired, &actual, self.prune);
        let faults = plan.faults();
        if !faults.is_empty() {
            return Err(Usage(faults.join("\n")).into());
        }
        say!("{plan}");
        if plan.is_empty() || self.dry_run {
            return Ok(true);
        }
        if !self.yes && !agreed()? {
            say_line!("Nothing was changed.");
            return Ok(false);
        }
        let mut credentials = Credentials::open(self.credentials_out.as_deref(), plan.makes_credentials())?;
        plan.carry_out(&api, &mut credentials).await?;
        Ok(true)
    }
}

/// Asks the user at the terminal.
fn agreed() -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        let text = "nobody can be asked, and nothing was changed: give --yes to do this, or --dry-run to see it only";
        return Err(Usage(text.to_owned()).into());
    }
    say!("Do this? [y/N] ");
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

impl Export {
    pub(super) async fn run(&self) -> Result<bool> {
        let api = self.server.api()?;
        let desired = Actual::read_all(&api, self.did.as_ref()).await?.into_desired();
        if let Some(did) = self.did.as_ref().filter(|_| desired.controllers.is_empty()) {
            anyhow::bail!("there is no controller {did}, or the token is not good for it");
        }
        let text = desired.written(match self.format {
            FormatOption::Toml => Format::Toml,
            FormatOption::Json => Format::Json,
        })?;
        match &self.output {
            Some(path) => std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?,
            None => say!("{text}"),
        }
        Ok(true)
    }
}
