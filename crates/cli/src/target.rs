//! From what was said about the target to a session with it.

use lab_aws::{EngineStarter, Session, SessionOptions, Target, TargetRequest};

use crate::context::Context;
use crate::error::CliError;
use crate::progress::watched;
use crate::settings::{Origin, Settings};

/// Decides the target; see [`lab_aws::Target`] for the rule.
pub(crate) fn resolve(settings: &Settings) -> Result<Target, CliError> {
    let by_flag = |origin: &Origin| matches!(origin, Origin::Flag(_));
    let target = &settings.target;
    let endpoint = &settings.endpoint_url;
    let endpoint_said = by_flag(&endpoint.origin);
    let request = TargetRequest {
        target: by_flag(&target.origin).then(|| target.value.clone()),
        endpoint_url: endpoint.value.clone().filter(|_| endpoint_said),
        profile: settings.profile.value.clone(),
        credentials: None,
        environment_endpoint_url: endpoint.value.clone().filter(|_| !endpoint_said),
        configured_target: (target.is_said() && !by_flag(&target.origin))
            .then(|| target.value.clone()),
    };
    Ok(request.resolve()?)
}

/// Makes the target ready and says on standard error which one it is.
pub(crate) async fn connect(context: &Context) -> Result<Session, CliError> {
    let target = resolve(&context.settings)?;
    let starter = starter(context)?;
    let session = open(context, target, starter).await?;
    context
        .console
        .note(&format!("target: {}", session.description()))?;
    if session.engine().is_some_and(|ensured| ensured.started) {
        let note = "it was started for this command: it ends once nobody has needed it for a while, \
                    or by `lambdalab down`";
        context.console.note(note)?;
    }
    Ok(session)
}

/// Makes a target ready.
pub(crate) async fn open(
    context: &Context,
    target: Target,
    starter: EngineStarter,
) -> Result<Session, CliError> {
    let region = &context.settings.region;
    let options = SessionOptions {
        target,
        region: region.is_said().then(|| region.value.0.clone()),
        engine: starter,
        clock: context.clock.clone(),
    };
    let opening = Session::open(options);
    let session = watched(
        &*context.clock,
        context.console.quiet,
        "starting the engine",
        opening,
    );
    Ok(session.await?)
}

/// How the engine of the configured data folder is started.
pub(crate) fn starter(context: &Context) -> Result<EngineStarter, CliError> {
    let program = std::env::current_exe().map_err(CliError::Start)?;
    let starter = EngineStarter::new(program, &context.settings.data_dir.value);
    Ok(match &context.config {
        Some(file) => starter.argument("--config").argument(file),
        None => starter,
    })
}

/// Refuses flags that name a target, for commands that are about this machine.
pub(crate) fn refuse(settings: &Settings, command: &'static str) -> Result<(), CliError> {
    let flags = [
        (&settings.target.origin, "--target"),
        (&settings.endpoint_url.origin, "--endpoint-url"),
        (&settings.profile.origin, "--profile"),
    ];
    for (origin, flag) in flags {
        if matches!(origin, Origin::Flag(_)) {
            return Err(CliError::NoTarget { command, flag });
        }
    }
    Ok(())
}
