//! The documents of an image: index, manifest and configuration, as far as they matter here.
//!
//! Source: <https://github.com/opencontainers/image-spec> and, for Docker's own, whose members go by
//! the same names, <https://distribution.github.io/distribution/spec/manifest-v2-2/>.

use std::fmt;

use serde::{Deserialize, Serialize};
use store::Digest;

use crate::architecture::Architecture;
use crate::error::ImageError;

pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
pub(crate) const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// What layers may call themselves. How one is compressed is seen by its first bytes.
const LAYERS: [&str; 6] = [
    OCI_LAYER,
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
];

/// What points to a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    #[serde(default)]
    pub(crate) media_type: String,
    #[serde(with = "prefixed")]
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) platform: Option<Platform>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Platform {
    pub(crate) architecture: String,
    pub(crate) os: String,
}

impl Platform {
    fn is(&self, architecture: Architecture) -> bool {
        self.os == "linux" && self.architecture == architecture.in_images()
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)
    }
}

/// Digests as they are written in documents.
mod prefixed {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use store::Digest;

    pub(super) fn serialize<S: Serializer>(
        digest: &Digest,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("sha256:{digest}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Digest, D::Error> {
        let text = String::deserialize(deserializer)?;
        super::digest(&text)
            .ok_or_else(|| D::Error::custom(format!("`{text}` is no SHA-256 digest")))
    }
}

/// A digest as documents write it.
pub(crate) fn digest(text: &str) -> Option<Digest> {
    text.strip_prefix("sha256:")?.parse().ok()
}

/// An image for several platforms.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Index {
    pub(crate) manifests: Vec<Descriptor>,
}

impl Index {
    /// The image for an architecture.
    pub(crate) fn of(&self, architecture: Architecture) -> Option<&Descriptor> {
        let fits = |platform: &Platform| platform.is(architecture);
        self.manifests
            .iter()
            .find(|image| image.platform.as_ref().is_some_and(fits))
    }

    /// The platforms, for people.
    pub(crate) fn platforms(&self) -> String {
        let platforms = self
            .manifests
            .iter()
            .filter_map(|image| image.platform.as_ref());
        let platforms: Vec<String> = platforms.map(ToString::to_string).collect();
        platforms.join(", ")
    }
}

/// An image for one platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    pub(crate) schema_version: u32,
    #[serde(default)]
    pub(crate) media_type: String,
    pub(crate) config: Descriptor,
    pub(crate) layers: Vec<Descriptor>,
}

/// What a name may stand for.
#[derive(Debug)]
pub(crate) enum Document {
    Index(Index),
    Manifest(Manifest),
}

impl Document {
    /// Reads an index or a manifest.
    ///
    /// # Errors
    /// [`ImageError::Unsupported`].
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ImageError> {
        let refused =
            |reason: &dyn ToString| ImageError::unsupported("the manifest", reason.to_string());
        let value: serde_json::Value =
            serde_json::from_slice(bytes).map_err(|error| refused(&error))?;
        if value.get("manifests").is_some() {
            let index = serde_json::from_value(value).map_err(|error| refused(&error))?;
            return Ok(Self::Index(index));
        }
        let manifest: Manifest = serde_json::from_value(value).map_err(|error| refused(&error))?;
        manifest.check()?;
        Ok(Self::Manifest(manifest))
    }
}

impl Manifest {
    fn check(&self) -> Result<(), ImageError> {
        let kind = self.config.media_type.as_str();
        if ![OCI_CONFIG, DOCKER_CONFIG].contains(&kind) {
            return Err(ImageError::unsupported(
                "the manifest",
                format!("it is none of a container image, for its configuration is {kind}"),
            ));
        }
        for layer in &self.layers {
            let kind = layer.media_type.as_str();
            if !LAYERS.contains(&kind) {
                return Err(ImageError::unsupported(
                    format!("the layer sha256:{}", layer.digest),
                    format!("its media type is {kind}"),
                ));
            }
        }
        Ok(())
    }

    /// The manifest of an image that came without one.
    pub(crate) fn made_up(config: (Digest, u64), layers: Vec<(Digest, u64)>) -> Self {
        let descriptor = |media_type: &str, (digest, size)| Descriptor {
            media_type: media_type.to_owned(),
            digest,
            size,
            platform: None,
        };
        Self {
            schema_version: 2,
            media_type: OCI_MANIFEST.to_owned(),
            config: descriptor(OCI_CONFIG, config),
            layers: layers
                .into_iter()
                .map(|layer| descriptor(OCI_LAYER, layer))
                .collect(),
        }
    }

    /// Every blob that belongs to the image, but for the manifest itself.
    pub(crate) fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        std::iter::once(&self.config).chain(&self.layers)
    }
}

/// The configuration of an image.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Configuration {
    #[serde(flatten)]
    pub(crate) platform: Platform,
    #[serde(default)]
    pub(crate) config: Option<Settings>,
    pub(crate) rootfs: RootFs,
}

/// The contents of the layers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct RootFs {
    /// The digest of each layer's content, uncompressed.
    pub(crate) diff_ids: Vec<String>,
}

/// What an image says about how it is run. Its user and its ports do not matter on Lambda.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Settings {
    /// `ENTRYPOINT`.
    #[serde(default)]
    pub entrypoint: Option<Vec<String>>,
    /// `CMD`.
    #[serde(default)]
    pub cmd: Option<Vec<String>>,
    /// `ENV`: names and values with a `=` between.
    #[serde(default)]
    pub env: Option<Vec<String>>,
    /// `WORKDIR`.
    #[serde(default)]
    pub working_dir: Option<String>,
}

impl Settings {
    /// The environment variables.
    pub fn variables(&self) -> impl Iterator<Item = (String, String)> {
        let all = self.env.iter().flatten();
        all.filter_map(|variable| {
            let (name, value) = variable.split_once('=')?;
            (!name.is_empty()).then(|| (name.to_owned(), value.to_owned()))
        })
    }
}

impl Configuration {
    /// Reads a configuration, and the digests of `layers` layers.
    ///
    /// # Errors
    /// [`ImageError::Unsupported`].
    pub(crate) fn parse(bytes: &[u8], layers: usize) -> Result<(Self, Vec<Digest>), ImageError> {
        let refused = |reason: String| ImageError::unsupported("the configuration", reason);
        let read: Self =
            serde_json::from_slice(bytes).map_err(|error| refused(error.to_string()))?;
        if read.platform.os != "linux" {
            return Err(refused(format!("the image is for {}", read.platform.os)));
        }
        let contents: Option<Vec<Digest>> = read
            .rootfs
            .diff_ids
            .iter()
            .map(|text| digest(text))
            .collect();
        let contents = contents.filter(|contents| contents.len() == layers);
        let contents = contents
            .ok_or_else(|| refused("it does not tell the contents of its layers".into()))?;
        Ok((read, contents))
    }

    /// The architecture, where functions have it.
    pub(crate) fn architecture(&self) -> Option<Architecture> {
        let fits = |architecture: &Architecture| self.platform.is(*architecture);
        Architecture::ALL.into_iter().find(fits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(config: &str, layer: &str) -> String {
        let digest = Digest::of(b"blob");
        format!(
            r#"{{"schemaVersion": 2,
                 "config": {{"mediaType": "{config}", "digest": "sha256:{digest}", "size": 4}},
                 "layers": [{{"mediaType": "{layer}", "digest": "sha256:{digest}", "size": 4}}]}}"#
        )
    }

    #[test]
    fn ocis_manifests_and_dockers_are_read() {
        for (config, layer) in [(OCI_CONFIG, LAYERS[2]), (DOCKER_CONFIG, LAYERS[4])] {
            let read = Document::parse(manifest(config, layer).as_bytes()).unwrap();
            assert!(matches!(read, Document::Manifest(_)));
        }
    }

    #[test]
    fn what_is_no_image_is_refused() {
        let refused = |text: &str| Document::parse(text.as_bytes()).unwrap_err().to_string();
        let chart = refused(&manifest(
            "application/vnd.cncf.helm.config.v1+json",
            LAYERS[0],
        ));
        assert!(chart.contains("none of a container image"), "{chart}");
        let attestation = refused(&manifest(OCI_CONFIG, "application/vnd.in-toto+json"));
        assert!(attestation.contains("in-toto"), "{attestation}");
        refused("{}");
        refused("no document");
        let other = manifest(OCI_CONFIG, LAYERS[0]).replace("sha256:", "sha512:");
        assert!(refused(&other).contains("no SHA-256 digest"));
    }

    #[test]
    fn an_index_is_resolved_by_architecture() {
        let digest = Digest::of(b"blob");
        let image = |platform: &str| {
            format!(
                r#"{{"mediaType": "{OCI_MANIFEST}", "digest": "sha256:{digest}", "size": 4{platform}}}"#
            )
        };
        let platform = |os, architecture| {
            image(&format!(
                r#", "platform": {{"os": "{os}", "architecture": "{architecture}"}}"#
            ))
        };
        let text = format!(
            r#"{{"manifests": [{}, {}, {}]}}"#,
            image(""),
            platform("unknown", "unknown"),
            platform("linux", "arm64")
        );
        let Document::Index(index) = Document::parse(text.as_bytes()).unwrap() else {
            panic!("not read as an index");
        };
        assert!(index.of(Architecture::Arm).is_some());
        assert!(index.of(Architecture::X86).is_none());
        assert_eq!(index.platforms(), "unknown/unknown, linux/arm64");
    }

    #[test]
    fn configurations_are_read_as_docker_writes_them() {
        let digest = Digest::of(b"blob");
        let text = format!(
            r#"{{"architecture": "amd64", "os": "linux", "created": null, "history": null,
                 "config": {{"Env": ["A=1", "B=x=y", "nonsense"], "Cmd": null, "Entrypoint": ["/main"],
                             "WorkingDir": "", "User": "", "Volumes": null, "ExposedPorts": null}},
                 "rootfs": {{"type": "layers", "diff_ids": ["sha256:{digest}"]}}}}"#
        );
        let (read, contents) = Configuration::parse(text.as_bytes(), 1).unwrap();
        assert_eq!(contents, [digest]);
        assert_eq!(read.architecture(), Some(Architecture::X86));
        let settings = read.config.unwrap();
        let variables: Vec<_> = settings.variables().collect();
        assert_eq!(
            variables,
            [("A", "1"), ("B", "x=y")].map(|(a, b)| (a.to_owned(), b.to_owned()))
        );
        assert!(
            Configuration::parse(text.as_bytes(), 2).is_err(),
            "a layer too many"
        );
        let windows = text.replace("linux", "windows");
        assert!(Configuration::parse(windows.as_bytes(), 1).is_err());
    }
}
