//! A registry: as much of the distribution protocol as pulling takes.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use store::Digest;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::making::{self, Image};

#[derive(Default)]
struct Shelf {
    /// By path: `/v2/echo/manifests/v1`.
    manifests: HashMap<String, Vec<u8>>,
    blobs: HashMap<Digest, Vec<u8>>,
    damaged: Mutex<HashSet<Digest>>,
    served: AtomicUsize,
    /// The header that callers must send.
    login: Option<String>,
}

pub(crate) struct Registry {
    host: String,
    shelf: Arc<Shelf>,
    task: JoinHandle<()>,
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Registry {
    pub(crate) async fn start(images: &[(&str, &str, &Image)]) -> Self {
        Self::serve(Shelf::default(), images).await
    }

    pub(crate) async fn start_private(
        images: &[(&str, &str, &Image)],
        user: &str,
        password: &str,
    ) -> Self {
        let login = Some(basic(user, password));
        let shelf = Shelf {
            login,
            ..Shelf::default()
        };
        Self::serve(shelf, images).await
    }

    pub(crate) async fn start_with_index(repository: &str, tag: &str, images: &[&Image]) -> Self {
        let mut shelf = Shelf::default();
        let path = format!("/v2/{repository}/manifests/{tag}");
        shelf.manifests.insert(path, making::index(images));
        let images: Vec<_> = images
            .iter()
            .map(|image| (repository, "-", *image))
            .collect();
        Self::serve(shelf, &images).await
    }

    async fn serve(mut shelf: Shelf, images: &[(&str, &str, &Image)]) -> Self {
        for (repository, tag, image) in images {
            for which in [(*tag).to_owned(), format!("sha256:{}", image.digest())] {
                let path = format!("/v2/{repository}/manifests/{which}");
                shelf.manifests.insert(path, image.manifest());
            }
            shelf.blobs.extend(image.blobs());
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let shelf = Arc::new(shelf);
        let serving = Arc::clone(&shelf);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, Arc::clone(&serving)));
            }
        });
        Self { host, shelf, task }
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn blobs_served(&self) -> usize {
        self.shelf.served.load(Ordering::SeqCst)
    }

    /// From now on sends something else in place of these blobs.
    pub(crate) fn damage(&self, blobs: &[Digest]) {
        self.shelf.damaged.lock().unwrap().extend(blobs);
    }

    /// What `docker login` writes.
    pub(crate) fn login(&self, user: &str, password: &str) -> String {
        let auth = STANDARD.encode(format!("{user}:{password}"));
        serde_json::json!({"auths": {&self.host: {"auth": auth}}}).to_string()
    }

    /// Stops it, and says where it was.
    pub(crate) async fn stop(mut self) -> String {
        self.task.abort();
        let _aborted = (&mut self.task).await;
        self.host.clone()
    }
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// One request a connection.
async fn converse(stream: TcpStream, shelf: Arc<Shelf>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut login = None;
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).await.ok()?;
        let header = header.trim_end();
        if header.is_empty() {
            break;
        }
        let (name, value) = header.split_once(": ")?;
        if name.eq_ignore_ascii_case("authorization") {
            login = Some(value.to_owned());
        }
    }
    let (status, headers, body) = shelf.answer(&path, login.as_deref());
    let head = format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(&body).await.ok()?;
    stream.shutdown().await.ok()
}

impl Shelf {
    fn answer(&self, path: &str, login: Option<&str>) -> (&'static str, String, Vec<u8>) {
        if self.login.is_some() && self.login.as_deref() != login {
            let challenge = "WWW-Authenticate: Basic realm=\"test\"\r\n".to_owned();
            return ("401 Unauthorized", challenge, Vec::new());
        }
        if path == "/v2/" {
            return ("200 OK", String::new(), Vec::new());
        }
        if let Some(manifest) = self.manifests.get(path) {
            let digest = Digest::of(manifest);
            let headers = format!("Docker-Content-Digest: sha256:{digest}\r\n");
            return ("200 OK", headers, manifest.clone());
        }
        let blob = path
            .rsplit_once("sha256:")
            .and_then(|(_, digest)| digest.parse().ok());
        if let Some((digest, blob)) = blob.and_then(|digest| self.blobs.get_key_value(&digest)) {
            self.served.fetch_add(1, Ordering::SeqCst);
            let mut blob = blob.clone();
            if self.damaged.lock().unwrap().contains(digest) {
                blob.reverse();
            }
            return ("200 OK", String::new(), blob);
        }
        let error = br#"{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "no such thing"}]}"#;
        let kind = "Content-Type: application/json\r\n".to_owned();
        ("404 Not Found", kind, error.to_vec())
    }
}
