//! Packages that no function needs any more are removed.

use std::sync::Arc;

use store::Digest;
use tokio::sync::mpsc::UnboundedReceiver;
use wire::lambda::FunctionConfiguration;

use super::image;
use crate::error::ApiError;
use crate::package::opt;
use crate::service::Inner;

impl Inner {
    /// No function has this configuration any more: what it needed may go.
    pub(super) async fn let_go(&self, gone: &FunctionConfiguration) {
        if image::is_image(gone) {
            if let Some(digest) = image::digest(gone) {
                self.images.reconsider(digest);
            }
            return;
        }
        let code = gone.code_sha256.as_deref().unwrap_or_default();
        if let Ok(code) = Digest::from_base64(code) {
            self.code.reconsider(code);
        }
        match self.layer_packages(gone).await {
            Ok(layers) => opt::contents(&layers)
                .into_iter()
                .for_each(|code| self.code.reconsider(code)),
            // The next start looks at everything anew.
            Err(error) => tracing::warn!(%error, "the layers of a function cannot be found"),
        }
    }

    /// The packages of a function's layers, in their order.
    pub(super) async fn layer_packages(
        &self,
        configuration: &FunctionConfiguration,
    ) -> Result<Vec<Digest>, ApiError> {
        if configuration.layers.as_ref().is_none_or(Vec::is_empty) {
            return Ok(Vec::new());
        }
        let configuration = configuration.clone();
        self.registry
            .read(move |tables| tables.layer_packages(&configuration))
            .await
    }

    /// Removes what a crash left behind, and then every package that somebody lets go of and nobody
    /// else needs, for as long as the engine runs.
    pub(crate) async fn sweep(self: Arc<Self>, mut doubtful: UnboundedReceiver<Digest>) {
        self.runtimes.sweep().await;
        match self.code.kept().await {
            Ok(kept) => kept.into_iter().for_each(|code| self.code.reconsider(code)),
            Err(error) => tracing::warn!(%error, "packages cannot be listed"),
        }
        while let Some(code) = doubtful.recv().await {
            if let Err(error) = self.remove_if_unused(code).await {
                tracing::warn!(error, %code, "a package that nobody needs could not be removed");
            }
        }
    }

    /// The same for container images.
    pub(crate) async fn sweep_images(self: Arc<Self>, mut doubtful: UnboundedReceiver<Digest>) {
        match self.images.sweep().await {
            Ok(kept) => kept
                .into_iter()
                .for_each(|image| self.images.reconsider(image)),
            Err(error) => tracing::warn!(%error, "images cannot be listed"),
        }
        while let Some(image) = doubtful.recv().await {
            let used = async {
                let used = self.registry.read(move |tables| tables.uses_image(&image));
                // Where that cannot be told, it stays until the next start.
                used.await.unwrap_or(true)
            };
            if let Err(error) = self.images.remove_unless(image, used).await {
                tracing::warn!(%error, %image, "an image that nobody needs could not be removed");
            }
        }
    }

    async fn remove_if_unused(&self, code: Digest) -> Result<(), String> {
        let _alone = self.code_gate.write().await;
        if self.code.is_leased(&code) {
            return Ok(());
        }
        let used = self
            .registry
            .read(move |tables| tables.uses_code(&code))
            .await;
        if used.map_err(|error| error.to_string())? {
            return Ok(());
        }
        self.code
            .remove(code)
            .await
            .map_err(|error| error.to_string())
    }
}
