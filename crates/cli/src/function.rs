//! `lambdalab function …`: functions of the target, by the AWS API.

mod change;
mod effect;
mod invoke;
mod logs;
mod package;
mod url;
mod view;

use std::time::Duration;

use clap::{Args, Subcommand};
use ids::FunctionRef;
use lab_aws::{ConfigurationChange, FunctionConfiguration, FunctionHandle, NewFunction, Target};
use serde::Serialize;

use crate::context::Context;
use crate::error::CliError;
use crate::exit::ExitCode;
use crate::output::Render;
use crate::progress::watched;
use crate::target;
use change::ConfigurationArguments;
pub(crate) use change::memory;
use invoke::InvokeArguments;
use logs::LogsArguments;
use package::{NeededPackage, PackageArguments};
use url::UrlCommand;
use view::{Functions, Shown};

/// The engine installs a runtime's client on first need, which takes a while on a slow network.
const READY_PATIENCE: Duration = Duration::from_secs(600);

/// The role of functions on targets that take any, as an engine does that enforces no policies.
const ANY_ROLE: &str = "arn:aws:iam::000000000000:role/lambdalab";

#[derive(Debug, Subcommand)]
pub(crate) enum FunctionCommand {
    /// Create a function and wait until it can be invoked
    Create(CreateArguments),
    /// List the functions
    #[command(visible_alias = "ls")]
    List,
    /// Show a function, or one of its versions
    Show {
        /// NAME, NAME:QUALIFIER or ARN
        #[arg(value_name = "NAME[:QUALIFIER]", value_parser = function_name)]
        name: String,
    },
    /// Change a function's code, configuration, or both; what is not named stays as it is
    Update(UpdateArguments),
    /// Delete a function with all its versions, or one version
    #[command(visible_alias = "rm")]
    Delete {
        /// NAME, NAME:VERSION or ARN
        #[arg(value_name = "NAME[:VERSION]", value_parser = function_name)]
        name: String,
    },
    /// Invoke a function: its answer on standard output, everything else on standard error
    Invoke(InvokeArguments),
    /// Create, show and delete the URL by which a function is called with plain HTTP
    #[command(subcommand)]
    Url(UrlCommand),
    /// Show what a function has logged, and with --follow what it logs
    Logs(LogsArguments),
}

#[derive(Debug, Args)]
pub(crate) struct CreateArguments {
    /// The function's name
    #[arg(value_parser = function_name)]
    name: String,
    #[command(flatten)]
    package: NeededPackage,
    /// What is called: module.function
    #[arg(long, value_name = "HANDLER")]
    handler: String,
    /// The runtime: python3.13, provided.al2023, …
    #[arg(long, value_name = "RUNTIME")]
    runtime: String,
    /// The ARN of the execution role; the engine takes any unless it enforces policies
    #[arg(long, value_name = "ARN")]
    role: Option<String>,
    #[command(flatten)]
    rest: ConfigurationArguments,
    /// Publish version 1 at once
    #[arg(long)]
    publish: bool,
    /// Return at once, though the function may still be Pending
    #[arg(long)]
    no_wait: bool,
}

#[derive(Debug, Args)]
pub(crate) struct UpdateArguments {
    /// The function's name or ARN
    #[arg(value_parser = function_name)]
    name: String,
    #[command(flatten)]
    package: PackageArguments,
    /// What is called: module.function
    #[arg(long, value_name = "HANDLER")]
    handler: Option<String>,
    /// The runtime: python3.13, provided.al2023, …
    #[arg(long, value_name = "RUNTIME")]
    runtime: Option<String>,
    /// The ARN of the execution role
    #[arg(long, value_name = "ARN")]
    role: Option<String>,
    #[command(flatten)]
    rest: ConfigurationArguments,
    /// Remove an environment variable (may be repeated)
    #[arg(long, value_name = "NAME")]
    unset_env: Vec<String>,
    /// Publish a version once the change is in
    #[arg(long)]
    publish: bool,
}

/// A name as Lambda takes it, refused here where it cannot be one.
fn function_name(text: &str) -> Result<String, ids::FunctionRefError> {
    text.parse::<FunctionRef>().map(|_| text.to_owned())
}

pub(crate) async fn run(context: &Context, command: FunctionCommand) -> Result<ExitCode, CliError> {
    match command {
        FunctionCommand::Create(arguments) => create(context, arguments).await,
        FunctionCommand::List => {
            let functions = target::connect(context).await?.list_functions().await?;
            context.console.result(&Functions(functions))?;
            Ok(ExitCode::Yes)
        }
        FunctionCommand::Show { name } => {
            let session = target::connect(context).await?;
            let configuration = session.function(name).configuration(None).await?;
            let mut without_effect = local_effects(context, &configuration)?;
            // It belongs to the function as a whole, which is not named by a qualifier.
            let whole = session.function(&configuration.function_name);
            if is_local(context)? {
                without_effect.extend(effect::shortcomings(&session.measures().await));
            }
            if is_local(context)? && whole.code_signing_config().await?.is_some() {
                without_effect.push("code signing: packages are taken without a signature".into());
            }
            shown(context, configuration, without_effect)
        }
        FunctionCommand::Update(arguments) => update(context, arguments).await,
        FunctionCommand::Delete { name } => delete(context, name).await,
        FunctionCommand::Invoke(arguments) => invoke::run(context, arguments).await,
        FunctionCommand::Url(command) => url::run(context, command).await,
        FunctionCommand::Logs(arguments) => logs::run(context, arguments).await,
    }
}

fn show(context: &Context, configuration: FunctionConfiguration) -> Result<ExitCode, CliError> {
    let without_effect = local_effects(context, &configuration)?;
    shown(context, configuration, without_effect)
}

fn shown(
    context: &Context,
    configuration: FunctionConfiguration,
    without_local_effect: Vec<String>,
) -> Result<ExitCode, CliError> {
    context.console.result(&Shown {
        configuration,
        without_local_effect,
    })?;
    Ok(ExitCode::Yes)
}

/// What of a configuration has no effect, where the target is an engine.
fn local_effects(
    context: &Context,
    configuration: &FunctionConfiguration,
) -> Result<Vec<String>, CliError> {
    Ok(if is_local(context)? {
        effect::without_effect(configuration)
    } else {
        Vec::new()
    })
}

fn is_local(context: &Context) -> Result<bool, CliError> {
    Ok(!matches!(
        target::resolve(&context.settings)?,
        Target::Aws { .. }
    ))
}

/// Everything that can be wrong without asking the target is found before it is asked.
async fn create(context: &Context, arguments: CreateArguments) -> Result<ExitCode, CliError> {
    let zip = arguments.package.read()?;
    let role = role(context, arguments.role)?;
    let session = target::connect(context).await?;
    let handle = session.function(&arguments.name);
    let new = NewFunction {
        name: arguments.name,
        zip,
        runtime: arguments.runtime,
        handler: arguments.handler,
        role,
        publish: arguments.publish,
        rest: ConfigurationChange {
            environment: arguments.rest.variables(),
            ..arguments.rest.change()
        },
    };
    let created = session.create_function(new).await?;
    if arguments.no_wait {
        return show(context, created);
    }
    let ready = wait(context, &handle).await?;
    show(context, ready)
}

/// The role, where one is given or the target takes any.
pub(crate) fn role(context: &Context, given: Option<String>) -> Result<String, CliError> {
    match (given, target::resolve(&context.settings)?) {
        (Some(role), _) => Ok(role),
        (None, Target::Aws { .. }) => Err(CliError::RoleNeeded),
        (None, Target::Engine | Target::Endpoint { .. }) => Ok(ANY_ROLE.to_owned()),
    }
}

async fn update(context: &Context, arguments: UpdateArguments) -> Result<ExitCode, CliError> {
    let zip = arguments.package.read()?;
    let mut change = ConfigurationChange {
        handler: arguments.handler,
        runtime: arguments.runtime,
        role: arguments.role,
        ..arguments.rest.change()
    };
    let set = arguments.rest.variables();
    let changes_environment = set.is_some() || !arguments.unset_env.is_empty();
    if zip.is_none() && change.is_empty() && !changes_environment && !arguments.publish {
        return Err(CliError::NothingToChange);
    }
    let session = target::connect(context).await?;
    let handle = session.function(arguments.name);
    if changes_environment {
        // AWS replaces the whole set: keep what is there and not named.
        let now = handle.configuration(None).await?;
        let mut variables = now.environment.map(|it| it.variables).unwrap_or_default();
        variables.extend(set.unwrap_or_default());
        variables.retain(|name, _| !arguments.unset_env.contains(name));
        change.environment = Some(variables);
    }
    if let Some(zip) = zip {
        handle.update_code(zip, false).await?;
        wait(context, &handle).await?;
    }
    if !change.is_empty() {
        handle.update_configuration(change).await?;
        wait(context, &handle).await?;
    }
    let updated = if arguments.publish {
        handle.publish().await?
    } else {
        handle.configuration(None).await?
    };
    show(context, updated)
}

/// Waits until the function can be invoked.
pub(crate) async fn wait(
    context: &Context,
    handle: &FunctionHandle,
) -> Result<FunctionConfiguration, CliError> {
    let message = format!("waiting until {} can be invoked", handle.name());
    let ready = handle.wait_active(READY_PATIENCE);
    Ok(watched(&*context.clock, context.console.quiet, message, ready).await?)
}

#[derive(Debug, Serialize)]
struct Deleted {
    deleted: String,
}

impl Render for Deleted {
    fn text(&self) -> String {
        format!("deleted {}", self.deleted)
    }
}

async fn delete(context: &Context, name: String) -> Result<ExitCode, CliError> {
    let session = target::connect(context).await?;
    session.function(&name).delete(None).await?;
    context.console.result(&Deleted { deleted: name })?;
    Ok(ExitCode::Yes)
}
