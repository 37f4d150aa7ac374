//! Packages that no function needs any more are removed.

use std::sync::Arc;

use store::Digest;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::service::Inner;

impl Inner {
    /// A version is gone, or no longer needs what it needed: its packages may go.
    pub(super) fn let_go<'c>(&self, packages: impl IntoIterator<Item = Option<&'c str>>) {
        for code in packages.into_iter().flatten() {
            if let Ok(code) = Digest::from_base64(code) {
                self.code.reconsider(code);
            }
        }
    }

    /// Removes what a crash left behind, and then every package that somebody lets go of and nobody
    /// else needs, for as long as the engine runs.
    pub(crate) async fn sweep(self: Arc<Self>, mut doubtful: UnboundedReceiver<Digest>) {
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
