//! `lambdalab function url …`.

use clap::{Args, Subcommand, ValueEnum};
use lab_aws::{FunctionUrl, NewUrl};
use serde::Serialize;

use super::Deleted;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::ExitCode;
use crate::output::Render;
use crate::target;

#[derive(Debug, Subcommand)]
pub(crate) enum UrlCommand {
    /// Give a function, or one of its aliases, a URL
    Create(CreateArguments),
    /// Show the URL
    Show(Whose),
    /// Remove the URL; what the function's policy says of it stays
    #[command(visible_alias = "rm")]
    Delete(Whose),
}

#[derive(Debug, Args)]
pub(crate) struct Whose {
    /// The function's name or ARN
    #[arg(value_parser = super::function_name)]
    name: String,
    /// An alias of it [default: $LATEST]
    #[arg(long, value_name = "ALIAS")]
    qualifier: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct CreateArguments {
    #[command(flatten)]
    whose: Whose,
    /// Who may call: everybody, for which the function's policy gets two statements, or who signs
    #[arg(long, value_enum)]
    auth: Auth,
    /// Send answers as they are written
    #[arg(long)]
    stream: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Auth {
    None,
    Iam,
}

#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Shown(FunctionUrl);

impl Render for Shown {
    fn text(&self) -> String {
        self.0.function_url.clone()
    }
}

pub(super) async fn run(context: &Context, command: UrlCommand) -> Result<ExitCode, CliError> {
    let session = target::connect(context).await?;
    let url = match command {
        UrlCommand::Create(CreateArguments {
            whose,
            auth,
            stream,
        }) => {
            let function = session.function(whose.name);
            let qualifier = whose.qualifier.as_deref();
            let new = NewUrl {
                public: auth == Auth::None,
                streaming: stream,
            };
            let url = function.create_url(qualifier, new).await?;
            if new.public {
                function.open_url(qualifier).await?;
            }
            url
        }
        UrlCommand::Show(whose) => {
            let function = session.function(whose.name);
            function.url(whose.qualifier.as_deref()).await?
        }
        UrlCommand::Delete(whose) => {
            let function = session.function(&whose.name);
            function.delete_url(whose.qualifier.as_deref()).await?;
            context.console.result(&Deleted {
                deleted: format!("the URL of {}", whose.name),
            })?;
            return Ok(ExitCode::Yes);
        }
    };
    context.console.result(&Shown(url))?;
    Ok(ExitCode::Yes)
}
