//! Functions from container images: which image a URI stands for, and the way to a container.
//!
//! The manifest is looked up while the caller waits, as on AWS, so that the answer names the digest;
//! layers come when the function is made ready.

use std::io;

use ids::RequestId;
use image::{Architecture, ImageError, LayerError, Pulling, Reference, Resolved};
use store::{BlobError, Digest};
use wire::lambda::{
    Architecture as ArchitectureName, FunctionConfiguration, ImageConfig, ImageConfigResponse,
    PackageType, errors,
};
use wire::{Caller, Principal, ServiceError};

use crate::deployment::{Code, Deployment};
use crate::function::key::FunctionKey;
use crate::function::record::ImageSource;
use crate::function::status::NotReady;
use crate::runtime::Runtime;
use crate::runtime::container::{Container, NOT_ISOLATED};
use crate::service::Inner;

/// The image of a function that is about to be written down. It stays until then.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) source: ImageSource,
    resolved: Resolved,
}

impl Chosen {
    /// `CodeSha256`: of an image it is written as the registry writes it.
    pub(super) fn code_sha256(&self) -> String {
        self.resolved.digest.to_string()
    }
}

/// Whether a function comes from a container image.
pub(super) fn is_image(configuration: &FunctionConfiguration) -> bool {
    configuration.package_type == Some(PackageType::Image)
}

/// The digest of a function's image.
pub(super) fn digest(configuration: &FunctionConfiguration) -> Option<Digest> {
    configuration.code_sha256.as_deref()?.parse().ok()
}

/// Refuses what an image brings itself.
pub(super) fn refuse_runtime(is_given: bool) -> Result<(), ServiceError> {
    if is_given {
        return Err(errors::invalid_parameter_value_exception(
            "Please don't provide Handler or Runtime or Layer when the intended function \
             PackageType is Image.",
        ));
    }
    Ok(())
}

/// How a configuration shows what is changed about an image; what is empty changes nothing.
pub(super) fn shown(asked: Option<ImageConfig>) -> Option<ImageConfigResponse> {
    let mut asked = asked?;
    asked.entry_point.take_if(|words| words.is_empty());
    asked.command.take_if(|words| words.is_empty());
    asked.working_directory.take_if(|folder| folder.is_empty());
    (asked != ImageConfig::default()).then_some(ImageConfigResponse {
        image_config: Some(asked),
        error: None,
    })
}

/// The architecture of a function: the first that it names.
fn architecture(configuration: &FunctionConfiguration) -> Architecture {
    let names = configuration.architectures.as_deref();
    match names.and_then(<[_]>::first) {
        Some(ArchitectureName::Arm64) => Architecture::Arm,
        _ => Architecture::X86,
    }
}

impl Inner {
    /// The image that a URI stands for now.
    pub(super) async fn choose_image(
        &self,
        caller: &Caller,
        uri: &str,
        configuration: &FunctionConfiguration,
    ) -> Result<Chosen, ServiceError> {
        if !self.isolated {
            return Err(errors::invalid_parameter_value_exception(NOT_ISOLATED));
        }
        let reference: Reference = uri.parse().map_err(|_| {
            errors::invalid_parameter_value_exception(format!(
                "Source image {uri} is not valid. Provide a valid source image."
            ))
        })?;
        // The engine reaches more than functions do, and shall not be sent there by them.
        let pulling = match caller.principal {
            Principal::Account { .. } => Pulling::Allowed,
            Principal::Function { .. } | Principal::Service(_) => Pulling::Refused,
        };
        let resolved = self
            .images
            .resolve(&reference, architecture(configuration), pulling)
            .await
            .map_err(|error| refused(uri, &error))?;
        Ok(Chosen {
            source: ImageSource {
                uri: uri.to_owned(),
                resolved: resolved.reference.to_string(),
            },
            resolved,
        })
    }

    /// Everything that an invocation of a function from an image needs, made ready.
    pub(super) async fn prepare_image(
        &self,
        key: &FunctionKey,
        (configuration, id): (&FunctionConfiguration, RequestId),
    ) -> Result<Deployment, NotReady> {
        if !self.isolated {
            return Err(NotReady::new("InvalidConfiguration", &NOT_ISOLATED));
        }
        let digest = digest(configuration).ok_or_else(|| {
            NotReady::new("InternalError", &"The function's image has no digest.")
        })?;
        let image = self.images.root(digest).await;
        let image = image.map_err(|error| not_ready(&error))?;
        let asked = configuration.image_config_response.as_ref();
        let asked = asked.and_then(|response| response.image_config.as_ref());
        let container = Container::new(image, asked, architecture(configuration));
        let egress = self.egress(key).await;
        let egress = egress.map_err(|error| NotReady::new("InternalError", &error))?;
        let code = Code::Image(container);
        Ok(Deployment {
            egress,
            ..super::configure::deployment(key, id, configuration, Runtime::Image, None, code)
        })
    }
}

/// What a caller hears whose image cannot be had: AWS's words, and behind them what happened here.
fn refused(uri: &str, error: &ImageError) -> ServiceError {
    let invalid = errors::invalid_parameter_value_exception;
    match error {
        ImageError::NotFound { .. } => invalid(format!(
            "Source image {uri} does not exist. Provide a valid source image."
        )),
        ImageError::Registry { .. } => invalid(format!(
            "Source image {uri} does not exist. Provide a valid source image. ({error})"
        )),
        ImageError::Denied { .. } | ImageError::NotPulled { .. } => {
            ServiceError::access_denied(Some(format!("{ACCESS_DENIED} ({error})")))
        }
        ImageError::Unsupported { .. }
        | ImageError::NoPlatform { .. }
        | ImageError::Damaged { .. } => invalid(format!(
            "The image manifest, config or layer media type for the source image {uri} is not \
             supported. ({error})"
        )),
        other => {
            tracing::error!(error = %other, uri, "an image cannot be kept");
            errors::service_exception("The engine could not keep the image.")
        }
    }
}

const ACCESS_DENIED: &str =
    "Lambda does not have permission to access the ECR image. Check the ECR permissions.";

/// Why a function cannot run whose image cannot be unpacked.
fn not_ready(error: &ImageError) -> NotReady {
    match error {
        ImageError::Layer {
            source: LayerError::Io(source) | LayerError::Entry { source, .. },
            ..
        } if is_the_hosts(source) => internal(error),
        ImageError::Io { .. } | ImageError::Store(_) | ImageError::Closed => internal(error),
        ImageError::Layer { layer, source } => NotReady::new(
            "InvalidImage",
            &format!(
                "ImageLayerFailure: UnsupportedImageLayerDetected - Layer Digest sha256:{layer} \
                 ({source})"
            ),
        ),
        ImageError::NotFound { .. } | ImageError::Blob(BlobError::Missing(_)) => NotReady::new(
            "ImageDeleted",
            &format!("The image does not exist any more: {error}"),
        ),
        ImageError::Denied { .. } | ImageError::NotPulled { .. } => NotReady::new(
            "ImageAccessDenied",
            &format!(
                "The function does not have permission to access the specified image. ({error})"
            ),
        ),
        ImageError::Registry { .. } => NotReady::new("ImageAccessDenied", error),
        other => NotReady::new("InvalidImage", other),
    }
}

fn internal(error: &ImageError) -> NotReady {
    tracing::error!(%error, "an image cannot be unpacked");
    let reason = format!("The engine could not unpack the image: {error}");
    NotReady::new("InternalError", &reason)
}

/// Whether the host is at fault: other errors are of layers that ask for what cannot be.
fn is_the_hosts(error: &io::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    // Without a kind of their own: too many open files, and an error of the disk.
    matches!(
        error.kind(),
        StorageFull | QuotaExceeded | ReadOnlyFilesystem
    ) || matches!(error.raw_os_error(), Some(5 | 23 | 24))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_settings_change_nothing() {
        assert_eq!(shown(None), None);
        assert_eq!(shown(Some(ImageConfig::default())), None);
        let asked = ImageConfig {
            entry_point: Some(Vec::new()),
            command: Some(vec!["app.handler".to_owned()]),
            working_directory: Some(String::new()),
        };
        let shown = shown(Some(asked)).unwrap().image_config.unwrap();
        assert_eq!(shown.entry_point, None);
        assert_eq!(
            shown.command.as_deref(),
            Some(&["app.handler".to_owned()][..])
        );
        assert_eq!(shown.working_directory, None);
    }

    #[test]
    fn refusals_have_awss_words() {
        let uri = "ghcr.io/echo:v1";
        let reference = || uri.to_owned();
        let missing = refused(
            uri,
            &ImageError::NotFound {
                reference: reference(),
            },
        );
        assert_eq!(
            missing.message.as_deref(),
            Some("Source image ghcr.io/echo:v1 does not exist. Provide a valid source image.")
        );
        let denied = refused(
            uri,
            &ImageError::Denied {
                reference: reference(),
            },
        );
        assert_eq!(denied.status, 403);
        let message = denied.message.unwrap_or_default();
        assert!(message.starts_with(ACCESS_DENIED), "{message}");
    }
}
