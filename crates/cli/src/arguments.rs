//! The command line. Flags that are settings come from the table in [`crate::settings`].

use std::path::PathBuf;

use clap::{
    ArgAction, ArgMatches, Args, Command as ClapCommand, FromArgMatches, Parser, Subcommand,
};

use crate::demo::DemoArguments;
use crate::function::FunctionCommand;
use crate::settings::Given;
use crate::settings::definition::{self, Scope};

/// A laboratory for serverless functions.
///
/// An AWS-compatible Lambda on this machine, without containers and without an account, and the
/// instruments that show what a function does: on the engine and on AWS alike.
#[derive(Debug, Parser)]
#[command(
    name = "lambdalab",
    version,
    propagate_version = false,
    disable_help_subcommand = true,
    after_help = "Exit codes: 0 yes, 1 no, 2 wrong usage, 3 could not tell, 4 the target failed.\n\
                  Nothing reaches AWS unless asked: --target aws, --profile, LAMBDALAB_TARGET=aws."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub global: GlobalSettings,
    /// Read this configuration file rather than ./lambdalab.toml [env: LAMBDALAB_CONFIG]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help_heading = "Global options"
    )]
    pub config: Option<PathBuf>,
    /// Say only what was asked for
    #[arg(
        short,
        long,
        global = true,
        conflicts_with = "verbose",
        help_heading = "Global options"
    )]
    pub quiet: bool,
    /// Say more; -vv says everything
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Global options")]
    pub verbose: u8,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start the engine
    ///
    /// Runs in the foreground until Ctrl-C, or in the background with --detach. One engine serves
    /// one data folder.
    Up(UpArguments),
    /// Show what this machine gives to functions, and what is missing
    Doctor(DoctorArguments),
    #[command(flatten)]
    Client(Box<ClientCommand>),
}

/// What talks to an engine, or to nobody: these may run threads from the start.
#[derive(Debug, Subcommand)]
pub(crate) enum ClientCommand {
    /// Stop the engine of the data folder
    Down,
    /// Create, list, show, change, delete and invoke functions, and read their logs
    #[command(subcommand, visible_alias = "fn")]
    Function(FunctionCommand),
    /// Import, list and remove container images for functions
    #[command(subcommand)]
    Image(ImageCommand),
    /// Run the main job on a real example and show what comes out
    ///
    /// Invokes a numerical function many times in parallel and shows that all answers are equal;
    /// then does the same with a deliberately unstable variant. Leaves nothing behind.
    Demo(DemoArguments),
    /// Install or list AWS's runtime interface clients
    #[command(subcommand)]
    Runtime(RuntimeCommand),
    /// Show the settings
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Show which AWS operations the engine serves
    Api {
        /// Show those that it does not serve, too
        #[arg(long)]
        all: bool,
    },
    /// Print the version
    Version,
}

#[derive(Debug, Args)]
pub(crate) struct UpArguments {
    /// Run in the background; return once the engine answers. Its log is engine.log in the data
    /// folder; an engine that runs already is left as it is
    #[arg(long)]
    pub detach: bool,
    /// Take a free port where the one to listen on is taken by another program
    #[arg(long)]
    pub or_free_port: bool,
    /// The background half of --detach: tells the waiting process how the start went.
    #[arg(long, hide = true, conflicts_with = "detach")]
    pub announce: bool,
    #[command(flatten)]
    pub engine: EngineSettings,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    /// Measure how fast a core is beside one of Lambda's, and propose a --cpu-scale
    ///
    /// Computes for about a second on one core. AWS publishes no speed: the result is a rough one.
    #[arg(long)]
    pub calibrate: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RuntimeCommand {
    /// Install clients ahead of time, for machines without a network
    ///
    /// Without a name, those of every interpreter that this machine has.
    Install {
        /// Runtimes such as python3.13 or nodejs22.x
        #[arg(value_name = "RUNTIME")]
        runtimes: Vec<String>,
    },
    /// Show the runtimes that the engine runs, and what is installed for them
    List,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ImageCommand {
    /// Import an image, so that functions can be created from it
    ///
    /// Prints the image's URI, which CreateFunction takes as Code.ImageUri.
    Import {
        /// An archive (of the OCI's layout, or from `docker save`), a folder of that layout, `-` for
        /// standard input, or docker:NAME or podman:NAME for an image of a container engine here
        #[arg(value_name = "SOURCE")]
        source: String,
        /// What functions have it by: repository:tag, or in full registry/repository:tag, also that
        /// of a registry that exists
        #[arg(long, value_name = "NAME", value_parser = crate::engine::image_name)]
        name: String,
    },
    /// Show the images that were imported
    List,
    /// Remove an image; what functions use stays until they are gone
    Remove {
        /// Its URI, or the name that it was imported under
        #[arg(value_name = "NAME", value_parser = crate::engine::image_name)]
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Show every setting, its value, and where the value came from
    Show,
}

/// The settings that every command takes as flags.
#[derive(Debug, Clone, Default)]
pub(crate) struct GlobalSettings(pub Given);

/// The settings that `up` takes as flags.
#[derive(Debug, Clone, Default)]
pub(crate) struct EngineSettings(pub Given);

macro_rules! flags_from_the_table {
    ($($name:ident: $scope:expr),+) => {$(
        impl Args for $name {
            fn augment_args(command: ClapCommand) -> ClapCommand {
                definition::add_flags(command, $scope)
            }
            fn augment_args_for_update(command: ClapCommand) -> ClapCommand {
                definition::add_flags(command, $scope)
            }
        }

        impl FromArgMatches for $name {
            fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
                Ok(Self(definition::given(matches, $scope)))
            }
            fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
                self.0 = definition::given(matches, $scope);
                Ok(())
            }
        }
    )+};
}

flags_from_the_table!(GlobalSettings: Scope::Every, EngineSettings: Scope::Engine);

impl Arguments {
    /// What the flags say about settings.
    pub(crate) fn given(&self) -> Given {
        let mut given = self.global.0.clone();
        if let Command::Up(up) = &self.command {
            given.extend(up.engine.0.clone());
        }
        given
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_holds_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn global_flags_stand_anywhere() {
        for line in [
            "lambdalab --output json function list",
            "lambdalab function --output json list",
            "lambdalab function list --output json",
        ] {
            let arguments = Arguments::try_parse_from(line.split(' ')).unwrap();
            assert_eq!(
                arguments.given(),
                [("output", vec!["json".to_owned()])],
                "{line}"
            );
        }
    }

    #[test]
    fn flags_of_the_engine_are_flags_of_up() {
        let line = "lambdalab up --listen 127.0.0.1:0 --strict-runtimes --allow-origin http://a \
                    --allow-origin http://b";
        let arguments = Arguments::try_parse_from(line.split_whitespace()).unwrap();
        let given = arguments.given();
        assert!(given.contains(&("listen", vec!["127.0.0.1:0".to_owned()])));
        assert!(given.contains(&("strict_runtimes", vec!["true".to_owned()])));
        assert!(given.contains(&(
            "allow_origin",
            vec!["http://a".to_owned(), "http://b".to_owned()]
        )));
        assert!(
            Arguments::try_parse_from(["lambdalab", "demo", "--listen", "127.0.0.1:0"]).is_err()
        );
    }
}
