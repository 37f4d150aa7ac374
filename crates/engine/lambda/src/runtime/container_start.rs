//! How a container is started.

use std::path::PathBuf;

use super::container::{Container, NOT_ISOLATED};
use super::identity::Identity;
use super::places::Places;
use super::variables;
use crate::deployment::Deployment;
use crate::invoke::failure::{Failure, INVALID_ENTRYPOINT, INVALID_WORKING_DIRECTORY};

/// The command that starts `container`.
///
/// # Errors
/// Nothing says what to start, or it can run nowhere.
pub(super) fn command(
    container: &Container,
    deployment: &Deployment,
    places: &Places,
    identity: &Identity,
    runtime_api: &str,
) -> Result<sandbox::Command, Failure> {
    let refused = |error_type, reason| Err(Failure::NotStarted { error_type, reason });
    if !identity.isolated {
        return refused(INVALID_ENTRYPOINT, NOT_ISOLATED.to_owned());
    }
    let mut words = container.words();
    let Some(program) = words.next() else {
        let reason = "Couldn't find valid bootstrap(s): []".to_owned();
        return refused(INVALID_ENTRYPOINT, reason);
    };
    let directory = container.working_directory();
    if !directory.starts_with('/') {
        let reason = format!(
            "the working directory '{directory}' is invalid, it needs to be an absolute path"
        );
        return refused(INVALID_WORKING_DIRECTORY, reason);
    }
    let env = variables::of_container(deployment, container, places, identity, runtime_api);
    let path = env.iter().find(|(name, _)| name == "PATH");
    let path = path.map_or("", |(_, path)| path);
    // What is found nowhere fails by the name that it was given.
    let found = container.find_program(program, path);
    Ok(sandbox::Command {
        program: found.unwrap_or_else(|| PathBuf::from(program)),
        args: words.cloned().collect(),
        env,
        cwd: PathBuf::from(directory),
        telemetry: true,
        shows: places.shows(),
        cloneable: false,
    })
}
