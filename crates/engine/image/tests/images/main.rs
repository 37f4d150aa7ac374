//! Images as the engine has them: imported, pulled from a registry, unpacked, removed.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests are none themselves to the lint"
)]

mod making;
mod registry;

use std::fs;
use std::io::Cursor;

use ids::SystemEntropy;
use image::{
    Architecture, Credentials, ImageError, Images, ImagesOptions, LayerError, Pulling, Reference,
    SCHEMA,
};
use making::{Image, Layer};
use registry::Registry;
use store::{Digest, Store, StoreOptions};
use tempfile::TempDir;
use tokio::sync::mpsc::UnboundedReceiver;

const NAME: &str = "000000000000.dkr.ecr.us-east-1.localhost/echo:latest";

struct Lab {
    folder: TempDir,
    images: Images,
    doubtful: UnboundedReceiver<Digest>,
}

impl Lab {
    fn new() -> Self {
        Self::over(tempfile::tempdir().unwrap(), Credentials::default())
    }

    fn over(folder: TempDir, credentials: Credentials) -> Self {
        let options = StoreOptions::new(folder.path(), "control.db", vec![SCHEMA]);
        let (images, doubtful) = Images::open(ImagesOptions {
            store: Store::open(options).unwrap(),
            folder: folder.path().join("images"),
            credentials,
            entropy: SystemEntropy::shared(),
        })
        .unwrap();
        Self {
            folder,
            images,
            doubtful,
        }
    }

    async fn import(&self, archive: Vec<u8>) -> Result<Vec<image::Named>, ImageError> {
        self.images.import(Cursor::new(archive), &name(NAME)).await
    }

    /// The image that was imported under a name.
    async fn resolve(
        &self,
        text: &str,
        architecture: Architecture,
    ) -> Result<image::Resolved, ImageError> {
        self.images
            .resolve(&name(text), architecture, Pulling::Refused)
            .await
    }

    /// What the engine does: removes what somebody let go of.
    async fn settle(&mut self) {
        while let Ok(digest) = self.doubtful.try_recv() {
            self.images
                .remove_unless(digest, async { false })
                .await
                .unwrap();
        }
    }

    fn list(&self, folder: &str) -> usize {
        fs::read_dir(self.folder.path().join("images").join(folder))
            .unwrap()
            .count()
    }

    fn blobs(&self) -> usize {
        let folder = self.folder.path().join("images/blobs");
        let shards = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        shards
            .map(|shard| fs::read_dir(shard).unwrap().count())
            .sum()
    }
}

fn name(text: &str) -> Reference {
    text.parse().unwrap()
}

fn echo() -> Image {
    Image::new(
        "amd64",
        vec![
            Layer::new()
                .file("task/a", "below")
                .file("task/gone", "")
                .gzip(),
            Layer::new()
                .file("task/a", "above")
                .file("task/.wh.gone", "")
                .zstd(),
            Layer::new().file("task/b", "plain"),
        ],
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_imported_resolved_and_unpacked() {
    let lab = Lab::new();
    let image = echo();
    let named = lab.import(image.layout()).await.unwrap();
    let [named] = named.as_slice() else {
        panic!("{named:?}")
    };
    assert_eq!(
        (named.name.as_str(), named.architecture.as_str()),
        (NAME, "amd64")
    );
    assert_eq!(named.digest, image.digest());
    let resolved = lab.resolve(NAME, Architecture::X86).await.unwrap();
    let repository = NAME.strip_suffix(":latest").unwrap();
    assert_eq!(
        resolved.reference.to_string(),
        format!("{repository}@sha256:{}", image.digest())
    );
    let lease = lab.images.root(resolved.digest).await.unwrap();
    let text = |name: &str| fs::read_to_string(lease.root().join(name)).unwrap();
    assert_eq!(
        (text("task/a"), text("task/b")),
        ("above".into(), "plain".into())
    );
    assert!(!lease.root().join("task/gone").exists());
    assert_eq!(
        lease.settings().entrypoint.as_deref(),
        Some(&["/main".to_owned()][..])
    );
    assert_eq!(lease.architecture(), Some(Architecture::X86));
    // By its digest, too.
    let again = lab
        .images
        .resolve(&resolved.reference, Architecture::X86, Pulling::Refused);
    assert_eq!(again.await.unwrap().digest, resolved.digest);
    assert_eq!(lab.list("staging"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_docker_saves_is_imported() {
    let lab = Lab::new();
    for archive in [
        echo().docker_archive(),
        making::gzip(&echo().docker_archive()),
    ] {
        let named = lab.import(archive).await.unwrap();
        let lease = lab
            .images
            .root(named.first().unwrap().digest)
            .await
            .unwrap();
        assert_eq!(
            fs::read_to_string(lease.root().join("task/a")).unwrap(),
            "above"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_for_several_platforms_is_resolved_by_architecture() {
    let lab = Lab::new();
    let arm = Image::new("arm64", vec![Layer::new().file("arm", "")]);
    let named = lab.import(making::several(&[&echo(), &arm])).await.unwrap();
    assert_eq!(named.len(), 2);
    for (architecture, image) in [(Architecture::X86, &echo()), (Architecture::Arm, &arm)] {
        let resolved = lab.resolve(NAME, architecture).await.unwrap();
        assert_eq!(resolved.digest, image.digest());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_stays_for_as_long_as_somebody_needs_it() {
    let mut lab = Lab::new();
    let first = lab.import(echo().layout()).await.unwrap();
    let lease = lab
        .images
        .root(first.first().unwrap().digest)
        .await
        .unwrap();
    // The name moves on to another image, which shares a layer.
    let mut layers = echo().layers;
    layers.push(Layer::new().file("new", ""));
    let second = Image::new("amd64", layers);
    lab.import(second.layout()).await.unwrap();
    lab.settle().await;
    assert!(lease.root().join("task/a").exists(), "it is held");
    let root = lease.root().to_owned();
    drop(lease);
    lab.settle().await;
    assert!(!root.exists());
    // Of the first one, its manifest and configuration went alone.
    assert_eq!(lab.blobs(), 2 + second.layers.len());
    let held = lab.images.root(second.digest()).await.unwrap();
    drop(held);
    assert!(lab.images.unname(&name(NAME)).await.unwrap());
    assert!(!lab.images.unname(&name(NAME)).await.unwrap());
    lab.settle().await;
    assert_eq!((lab.blobs(), lab.list("roots")), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_what_there_is_and_removes_what_nobody_has() {
    let lab = Lab::new();
    let image = echo();
    lab.import(image.layout()).await.unwrap();
    drop(lab.images.root(image.digest()).await.unwrap());
    let Lab { folder, images, .. } = lab;
    drop(images);
    let here = folder.path().join("images");
    fs::create_dir(here.join("staging/interrupted")).unwrap();
    fs::create_dir(here.join("roots/nobodys")).unwrap();
    fs::create_dir_all(here.join("blobs/00")).unwrap();
    fs::write(here.join("blobs/00").join("0".repeat(62)), "nobody's").unwrap();
    let lab = Lab::over(folder, Credentials::default());
    assert_eq!(lab.images.sweep().await.unwrap(), [image.digest()]);
    assert_eq!((lab.list("staging"), lab.list("roots")), (0, 1));
    assert_eq!(lab.blobs(), 2 + image.layers.len());
    assert_eq!(lab.images.names().await.unwrap().len(), 1);
    assert!(
        lab.images
            .root(image.digest())
            .await
            .unwrap()
            .root()
            .join("task/a")
            .exists()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_damaged_is_told() {
    let lab = Lab::new();
    let image = echo();
    let mut blobs = image.blobs();
    let (_, last) = blobs.last_mut().unwrap();
    last.push(b' ');
    let damaged = lab
        .import(making::layout(&blobs, &[&image]))
        .await
        .unwrap_err();
    assert!(matches!(damaged, ImageError::Damaged { .. }), "{damaged}");
    // Of the right digest, but not what the configuration says that it holds.
    let mut lying = echo();
    lying.contents.swap(0, 1);
    let named = lab.import(lying.layout()).await.unwrap();
    let refused = lab
        .images
        .root(named.first().unwrap().digest)
        .await
        .unwrap_err();
    assert!(
        matches!(
            refused,
            ImageError::Layer {
                source: LayerError::Damaged { .. },
                ..
            }
        ),
        "{refused}"
    );
    assert_eq!((lab.list("staging"), lab.list("roots")), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_pulled_and_its_layers_when_they_are_needed() {
    let image = echo();
    let registry = Registry::start(&[("echo", "v1", &image)]).await;
    let mut lab = Lab::new();
    let wanted = name(&format!("{}/echo:v1", registry.host()));
    let refused = lab
        .images
        .resolve(&wanted, Architecture::X86, Pulling::Refused)
        .await;
    assert!(matches!(refused, Err(ImageError::NotPulled { .. })));
    let resolved = lab
        .images
        .resolve(&wanted, Architecture::X86, Pulling::Allowed)
        .await
        .unwrap();
    assert_eq!(resolved.digest, image.digest());
    assert_eq!(lab.blobs(), 2, "the manifest and the configuration");
    let (one, other) = tokio::join!(
        lab.images.root(resolved.digest),
        lab.images.root(resolved.digest)
    );
    assert_eq!(one.unwrap().root(), other.unwrap().root());
    assert_eq!(
        registry.blobs_served(),
        1 + image.layers.len(),
        "each was fetched once"
    );
    drop(resolved);
    lab.settle().await;
    assert_eq!(
        (lab.blobs(), lab.list("roots")),
        (0, 0),
        "nobody holds it and it has no name"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pulled_index_is_resolved_by_architecture() {
    let (x86, arm) = (
        echo(),
        Image::new("arm64", vec![Layer::new().file("arm", "")]),
    );
    let registry = Registry::start_with_index("echo", "v1", &[&x86, &arm]).await;
    let lab = Lab::new();
    let wanted = name(&format!("{}/echo:v1", registry.host()));
    for (architecture, image) in [(Architecture::X86, &x86), (Architecture::Arm, &arm)] {
        let resolved = lab
            .images
            .resolve(&wanted, architecture, Pulling::Allowed)
            .await
            .unwrap();
        assert_eq!(resolved.digest, image.digest());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registrys_refusals_are_told_apart() {
    let registry = Registry::start_private(&[("echo", "v1", &echo())], "user", "pass word").await;
    let lab = Lab::new();
    let pull = |lab: &Lab, text: String| {
        let images = lab.images.clone();
        async move {
            let resolved = images
                .resolve(&name(&text), Architecture::X86, Pulling::Allowed)
                .await;
            resolved.map(|resolved| resolved.digest)
        }
    };
    let wanted = format!("{}/echo:v1", registry.host());
    let denied = pull(&lab, wanted.clone()).await.unwrap_err();
    assert!(matches!(denied, ImageError::Denied { .. }), "{denied}");
    let file = lab.folder.path().join("config.json");
    fs::write(&file, registry.login("user", "pass word")).unwrap();
    let credentials = Credentials::read(&file).unwrap();
    let lab = Lab::over(tempfile::tempdir().unwrap(), credentials);
    assert_eq!(pull(&lab, wanted).await.unwrap(), echo().digest());
    let missing = pull(&lab, format!("{}/echo:v2", registry.host()))
        .await
        .unwrap_err();
    assert!(matches!(missing, ImageError::NotFound { .. }), "{missing}");
    let closed = registry.stop().await;
    let silent = pull(&lab, format!("{closed}/echo:v1")).await.unwrap_err();
    assert!(matches!(silent, ImageError::Registry { .. }), "{silent}");
    let local = pull(&lab, NAME.to_owned()).await.unwrap_err();
    assert!(matches!(local, ImageError::NotFound { .. }), "{local}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_sends_something_else_is_not_believed() {
    let image = echo();
    let registry = Registry::start(&[("echo", "v1", &image)]).await;
    registry.damage(&image.layer_digests());
    let lab = Lab::new();
    let wanted = name(&format!("{}/echo:v1", registry.host()));
    let resolved = lab
        .images
        .resolve(&wanted, Architecture::X86, Pulling::Allowed)
        .await
        .unwrap();
    let refused = lab.images.root(resolved.digest).await.unwrap_err();
    let told = matches!(
        refused,
        ImageError::Damaged { .. } | ImageError::Registry { .. }
    );
    assert!(told, "{refused}");
    assert_eq!(lab.list("roots"), 0);
}
