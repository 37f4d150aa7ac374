//! A container: an image with what the function's configuration changes about how it is started.

use std::path::{Path, PathBuf};

use image::{Architecture, ImageLease};
use wire::lambda::ImageConfig;

use crate::invoke::failure::Failure;

/// What environments of a function from a container image run.
#[derive(Debug)]
pub(crate) struct Container {
    image: ImageLease,
    entry_point: Vec<String>,
    command: Vec<String>,
    working_directory: String,
    /// What the function is configured for.
    architecture: Architecture,
}

impl Container {
    /// The image as `asked` would have it. Each member of `ImageConfig` stands for one of the image's.
    /// Source: <https://docs.aws.amazon.com/lambda/latest/dg/images-parms.html>.
    pub(crate) fn new(
        image: ImageLease,
        asked: Option<&ImageConfig>,
        architecture: Architecture,
    ) -> Self {
        let settings = image.settings();
        let asked = asked.cloned().unwrap_or_default();
        let own_directory = || settings.working_dir.clone().filter(|it| !it.is_empty());
        Self {
            entry_point: asked
                .entry_point
                .or_else(|| settings.entrypoint.clone())
                .unwrap_or_default(),
            command: asked
                .command
                .or_else(|| settings.cmd.clone())
                .unwrap_or_default(),
            working_directory: asked
                .working_directory
                .or_else(own_directory)
                .unwrap_or_else(|| "/".to_owned()),
            image,
            architecture,
        }
    }

    /// The folder that becomes the root.
    pub(crate) fn root(&self) -> &Path {
        self.image.root()
    }

    /// The names of the files in one of its folders.
    pub(super) fn files_in(&self, folder: &str) -> Vec<String> {
        image::files_in(self.root(), folder)
    }

    /// The environment variables that the image sets.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (String, String)> {
        self.image.settings().variables()
    }

    /// The program and its arguments; nothing where neither image nor function names any.
    pub(super) fn words(&self) -> impl Iterator<Item = &String> {
        self.entry_point.iter().chain(&self.command)
    }

    /// Where it starts.
    pub(super) fn working_directory(&self) -> &str {
        &self.working_directory
    }

    /// Where a program lies, by the image's folders and this `PATH`.
    pub(super) fn find_program(&self, program: &str, path: &str) -> Option<PathBuf> {
        image::find_program(self.root(), program, path)
    }

    /// What the log says where it could not be started, in AWS's words.
    pub(crate) fn launch_error(&self, failure: &Failure) -> String {
        format!(
            "IMAGE\tLaunch error: {failure}\tEntrypoint: [{}]\tCmd: [{}]\tWorkingDir: [{}]",
            self.entry_point.join(","),
            self.command.join(","),
            self.working_directory
        )
    }

    /// That its image is for another architecture than the function, where it is.
    pub(crate) fn warning(&self) -> Option<String> {
        let image = self.image.architecture()?;
        let wanted = self.architecture;
        (image != wanted).then(|| {
            format!(
                "the image is for {image}, and the function is configured for {wanted}: its programs \
                 may not start"
            )
        })
    }
}

/// Why there are no containers without isolation.
pub(crate) const NOT_ISOLATED: &str = "This engine cannot run functions from container images: it takes a root file system of their \
     own, and environments are not isolated here. `lambdalab doctor` says what is missing.";
