//! Pulling from registries, through `oci-client`.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Once};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use oci_client::Client;
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::{OciDistributionError, OciErrorCode};
use oci_client::manifest::OciDescriptor;
use oci_client::secrets::RegistryAuth;
use parking_lot::Mutex;
use store::{Blobs, Digest};

use crate::credentials::Credentials;
use crate::document::{DOCKER_INDEX, DOCKER_MANIFEST, Descriptor, OCI_INDEX, OCI_MANIFEST};
use crate::error::ImageError;
use crate::limits::DOCUMENT_BYTES;
use crate::reference::Reference;
use crate::stream::Upload;

/// A registry that is there takes a connection within this time.
const CONNECT: Duration = Duration::from_secs(10);
/// And says something within this.
const SILENCE: Duration = Duration::from_secs(30);
/// How many registries are kept in mind.
const CLIENTS: usize = 32;

/// Every registry that images name.
#[derive(Clone)]
pub(crate) struct Registries {
    credentials: Arc<Credentials>,
    /// One for each host: they keep tokens and connections.
    clients: Arc<Mutex<HashMap<String, Client>>>,
}

impl std::fmt::Debug for Registries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Registries")
            .field(&self.credentials)
            .finish()
    }
}

impl Registries {
    pub(crate) fn new(credentials: Credentials) -> Self {
        Self {
            credentials: Arc::new(credentials),
            clients: Arc::default(),
        }
    }

    /// The document that a name stands for: an index or a manifest.
    pub(crate) async fn document(&self, image: &Reference) -> Result<Bytes, ImageError> {
        let client = self.client(image.registry());
        let kinds = [OCI_MANIFEST, DOCKER_MANIFEST, OCI_INDEX, DOCKER_INDEX];
        let pulled = client
            .pull_manifest_raw(&image.for_client(), &self.login(image), &kinds)
            .await;
        let (document, _) = pulled.map_err(|error| refused(image, &error))?;
        if let Some(expected) = image.digest() {
            let found = Digest::of(&document);
            if found != expected {
                return Err(ImageError::Damaged { expected, found });
            }
        }
        Ok(document)
    }

    /// Fetches a blob of an image into `blobs`.
    pub(crate) async fn fetch(
        &self,
        image: &Reference,
        blob: &Descriptor,
        blobs: &Blobs,
    ) -> Result<(), ImageError> {
        let client = self.client(image.registry());
        let reference = image.for_client();
        client
            .store_auth_if_needed(image.registry(), &self.login(image))
            .await;
        let descriptor = OciDescriptor {
            media_type: blob.media_type.clone(),
            digest: format!("sha256:{}", blob.digest),
            size: i64::try_from(blob.size).unwrap_or(i64::MAX),
            ..OciDescriptor::default()
        };
        let pulled = client.pull_blob_stream(&reference, &descriptor).await;
        let mut pieces = pulled.map_err(|error| refused(image, &error))?.stream;
        let (sender, upload) = Upload::new();
        let storing = store(blobs.clone(), blob.clone(), upload);
        let sending = async move {
            while let Some(piece) = pieces.next().await {
                // Whoever stores has seen enough, or failed.
                if sender.send(piece).await.is_err() {
                    break;
                }
            }
        };
        let (stored, ()) = tokio::join!(storing, sending);
        stored.map_err(|error| match error {
            ImageError::Blob(store::BlobError::Source(error)) => ImageError::Registry {
                registry: image.registry().to_owned(),
                reference: image.to_string(),
                reason: error.to_string(),
            },
            other => other,
        })
    }

    fn login(&self, image: &Reference) -> RegistryAuth {
        match self.credentials.of(image.registry()) {
            Some((user, password)) => RegistryAuth::Basic(user.clone(), password.clone()),
            None => RegistryAuth::Anonymous,
        }
    }

    fn client(&self, registry: &str) -> Client {
        if let Some(client) = self.clients.lock().get(registry) {
            return client.clone();
        }
        choose_cryptography();
        let config = ClientConfig {
            // As container engines do: who answers there is this machine.
            protocol: if is_loopback(registry) {
                ClientProtocol::Http
            } else {
                ClientProtocol::Https
            },
            connect_timeout: Some(CONNECT),
            read_timeout: Some(SILENCE),
            user_agent: concat!("lambdalab/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        };
        let client = Client::new(config);
        let mut clients = self.clients.lock();
        if clients.len() >= CLIENTS {
            clients.clear();
        }
        clients.insert(registry.to_owned(), client.clone());
        client
    }
}

/// TLS takes ours, as everywhere in this program.
fn choose_cryptography() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Somebody else may have chosen already, which serves as well.
        let _chosen = rustls::crypto::ring::default_provider().install_default();
    });
}

fn is_loopback(registry: &str) -> bool {
    let host = registry.rsplit_once(':').map_or(registry, |(host, _)| host);
    host == "localhost"
        || host
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

/// Stores what comes, as long as it is what was asked for.
async fn store(blobs: Blobs, blob: Descriptor, upload: Upload) -> Result<(), ImageError> {
    let stored = tokio::task::spawn_blocking(move || {
        use io::Read as _;
        let (found, _) = blobs.put_reader(upload.take(blob.size + 1))?;
        if found == blob.digest {
            return Ok(());
        }
        // It may be another image's, so it stays. The next start removes what nobody needs.
        Err(ImageError::Damaged {
            expected: blob.digest,
            found,
        })
    });
    stored.await.unwrap_or(Err(ImageError::Closed))
}

/// What a refusal means.
fn refused(image: &Reference, error: &OciDistributionError) -> ImageError {
    let reference = || image.to_string();
    let code = |code: OciErrorCode| {
        matches!(error, OciDistributionError::RegistryError { envelope, .. }
            if envelope.errors.iter().any(|error| error.code == code))
    };
    let status = match error {
        OciDistributionError::ServerError { code, .. } => Some(*code),
        _ => None,
    };
    let unknown = [
        OciErrorCode::ManifestUnknown,
        OciErrorCode::NameUnknown,
        OciErrorCode::BlobUnknown,
        OciErrorCode::NotFound,
    ];
    let denied = [OciErrorCode::Denied, OciErrorCode::Unauthorized];
    match error {
        OciDistributionError::ImageManifestNotFoundError(_) => ImageError::NotFound {
            reference: reference(),
        },
        _ if unknown.into_iter().any(code) || status == Some(404) => ImageError::NotFound {
            reference: reference(),
        },
        OciDistributionError::UnauthorizedError { .. }
        | OciDistributionError::AuthenticationFailure(_) => ImageError::Denied {
            reference: reference(),
        },
        _ if denied.into_iter().any(code) || matches!(status, Some(401 | 403)) => {
            ImageError::Denied {
                reference: reference(),
            }
        }
        other => ImageError::Registry {
            registry: image.registry().to_owned(),
            reference: reference(),
            reason: whole(other),
        },
    }
}

/// An error with its causes, which alone tell what a connection failed of.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// Refuses documents that nobody would write.
pub(crate) fn check_size(document: &[u8]) -> Result<(), ImageError> {
    if document.len() as u64 > DOCUMENT_BYTES {
        return Err(ImageError::unsupported(
            "the manifest",
            format!("it has {} bytes", document.len()),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_asked_without_tls() {
        for (registry, plain) in [
            ("127.0.0.1:5000", true),
            ("localhost", true),
            ("localhost:5000", true),
            ("127.0.0.1.example", false),
            ("ghcr.io", false),
            ("10.0.0.1:5000", false),
        ] {
            assert_eq!(is_loopback(registry), plain, "{registry}");
        }
    }
}
