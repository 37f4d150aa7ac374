//! Images made on the spot.

use std::collections::BTreeMap;
use std::io::Write as _;

use serde_json::{Value, json};
use store::Digest;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// A layer: its content, and as it is stored.
#[derive(Clone, Default)]
pub(crate) struct Layer {
    files: Vec<(String, String)>,
    compression: &'static str,
}

impl Layer {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn file(mut self, name: &str, content: &str) -> Self {
        self.files.push((name.to_owned(), content.to_owned()));
        self
    }

    pub(crate) fn gzip(mut self) -> Self {
        self.compression = "+gzip";
        self
    }

    pub(crate) fn zstd(mut self) -> Self {
        self.compression = "+zstd";
        self
    }

    fn content(&self) -> Vec<u8> {
        let files = self.files.iter();
        archive(files.map(|(name, content)| (name.as_str(), content.as_bytes())))
    }

    fn stored(&self) -> Vec<u8> {
        let content = self.content();
        match self.compression {
            "+gzip" => gzip(&content),
            "+zstd" => zstd::encode_all(&*content, 3).unwrap(),
            _ => content,
        }
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn archive<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, content).unwrap();
    }
    builder.into_inner().unwrap()
}

/// An image for one platform.
pub(crate) struct Image {
    architecture: &'static str,
    pub(crate) layers: Vec<Layer>,
    /// What its configuration says of its layers' contents.
    pub(crate) contents: Vec<Digest>,
}

fn digest_text(digest: Digest) -> String {
    format!("sha256:{digest}")
}

fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({
        "mediaType": media_type,
        "digest": digest_text(Digest::of(bytes)),
        "size": bytes.len(),
    })
}

impl Image {
    pub(crate) fn new(architecture: &'static str, layers: Vec<Layer>) -> Self {
        let contents = layers
            .iter()
            .map(|layer| Digest::of(&layer.content()))
            .collect();
        Self {
            architecture,
            layers,
            contents,
        }
    }

    fn config(&self) -> Vec<u8> {
        let contents: Vec<String> = self.contents.iter().copied().map(digest_text).collect();
        let config = json!({
            "architecture": self.architecture,
            "os": "linux",
            "config": {"Entrypoint": ["/main"], "Env": ["A=1"]},
            "rootfs": {"type": "layers", "diff_ids": contents},
        });
        serde_json::to_vec(&config).unwrap()
    }

    pub(crate) fn manifest(&self) -> Vec<u8> {
        let layers: Vec<Value> = self
            .layers
            .iter()
            .map(|layer| descriptor(&format!("{LAYER}{}", layer.compression), &layer.stored()))
            .collect();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor(CONFIG, &self.config()),
            "layers": layers,
        });
        serde_json::to_vec(&manifest).unwrap()
    }

    pub(crate) fn digest(&self) -> Digest {
        Digest::of(&self.manifest())
    }

    pub(crate) fn layer_digests(&self) -> Vec<Digest> {
        self.layers
            .iter()
            .map(|layer| Digest::of(&layer.stored()))
            .collect()
    }

    /// Configuration, layers and manifest, each with its digest.
    pub(crate) fn blobs(&self) -> Vec<(Digest, Vec<u8>)> {
        let layers = self.layers.iter().map(Layer::stored);
        let all = std::iter::once(self.config())
            .chain(layers)
            .chain([self.manifest()]);
        all.map(|blob| (Digest::of(&blob), blob)).collect()
    }

    fn entry(&self) -> Value {
        let mut entry = descriptor(MANIFEST, &self.manifest());
        entry["platform"] = json!({"os": "linux", "architecture": self.architecture});
        entry
    }

    pub(crate) fn layout(&self) -> Vec<u8> {
        layout(&self.blobs(), &[self])
    }

    /// As `docker save` wrote it before it knew the OCI's layout.
    pub(crate) fn docker_archive(&self) -> Vec<u8> {
        let config = self.config();
        let mut files = BTreeMap::from([("config.json".to_owned(), config)]);
        let mut names = Vec::new();
        for (number, layer) in self.layers.iter().enumerate() {
            let name = format!("{number}/layer.tar");
            files.insert(name.clone(), layer.content());
            names.push(name);
        }
        let index =
            json!([{"Config": "config.json", "RepoTags": ["echo:latest"], "Layers": names}]);
        files.insert(
            "manifest.json".to_owned(),
            serde_json::to_vec(&index).unwrap(),
        );
        archive(
            files
                .iter()
                .map(|(name, content)| (name.as_str(), content.as_slice())),
        )
    }
}

pub(crate) fn index(images: &[&Image]) -> Vec<u8> {
    let manifests: Vec<Value> = images.iter().map(|image| image.entry()).collect();
    serde_json::to_vec(&json!({"schemaVersion": 2, "manifests": manifests})).unwrap()
}

/// An archive of the OCI's layout with these blobs and images.
pub(crate) fn layout(blobs: &[(Digest, Vec<u8>)], images: &[&Image]) -> Vec<u8> {
    let mut files = BTreeMap::from([
        (
            "oci-layout".to_owned(),
            br#"{"imageLayoutVersion": "1.0.0"}"#.to_vec(),
        ),
        ("index.json".to_owned(), index(images)),
    ]);
    for (digest, blob) in blobs {
        files.insert(format!("blobs/sha256/{digest}"), blob.clone());
    }
    archive(
        files
            .iter()
            .map(|(name, content)| (name.as_str(), content.as_slice())),
    )
}

/// An archive with an image for several platforms, as tools write it: an index in the index.
pub(crate) fn several(images: &[&Image]) -> Vec<u8> {
    let inner = index(images);
    let top = json!({
        "schemaVersion": 2,
        "manifests": [descriptor("application/vnd.oci.image.index.v1+json", &inner)],
    });
    let mut files = BTreeMap::from([
        ("oci-layout".to_owned(), b"{}".to_vec()),
        ("index.json".to_owned(), serde_json::to_vec(&top).unwrap()),
        (format!("blobs/sha256/{}", Digest::of(&inner)), inner),
    ]);
    for (digest, blob) in images.iter().flat_map(|image| image.blobs()) {
        files.insert(format!("blobs/sha256/{digest}"), blob);
    }
    archive(
        files
            .iter()
            .map(|(name, content)| (name.as_str(), content.as_slice())),
    )
}
