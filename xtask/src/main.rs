//! `cargo xtask`.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use xtask::botocore::Botocore;
use xtask::codegen::{self, Outcome};
use xtask::settings::Settings;

/// Code generation and repository chores.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Write the generated part of crates/engine/wire.
    Codegen {
        /// Write nothing; fail when what is committed is not what would be written.
        #[arg(long)]
        check: bool,
        /// The installed package botocore. Without it, .venv/bin/python or python3 is asked.
        #[arg(long, value_name = "DIR")]
        botocore: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    let Chore::Codegen { check, botocore } = Arguments::parse().chore;
    match run(check, botocore) {
        Ok(report) => {
            let _ = write!(std::io::stdout(), "{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(check: bool, botocore: Option<PathBuf>) -> Result<String, Box<dyn std::error::Error>> {
    let root = codegen::workspace_root();
    let settings = Settings::read(&root.join("xtask/served.toml"))?;
    let botocore = match botocore {
        Some(package) => Botocore::at(package)?,
        None => Botocore::find(&root, &settings.botocore)?,
    };
    botocore.require(&settings.botocore)?;
    let files = codegen::generate(&settings, &botocore)?;
    Ok(match codegen::write(&root, &files, check)? {
        Outcome::Unchanged => "generated code is up to date\n".to_owned(),
        Outcome::Written(paths) => paths.iter().map(|path| format!("wrote {path}\n")).collect(),
    })
}
