//! Names of images: `registry/repository:tag` or `registry/repository@sha256:…`.

use std::fmt;
use std::str::FromStr;

use store::Digest;

/// The name of an image. It always says which registry and which image there: what Lambda takes as
/// `ImageUri`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    registry: String,
    repository: String,
    which: Which,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Which {
    Tag(String),
    Digest(Digest),
}

/// A text that is no name of an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` does not name an image as registry/repository:tag or registry/repository@sha256:…")]
pub struct ReferenceError(pub String);

impl Reference {
    /// Reads a name that may leave out its registry, and its tag, which is then `latest`.
    ///
    /// # Errors
    /// It is no name, or one by digest: what is given a name has a digest of its own.
    pub fn named(text: &str, registry: &str) -> Result<Self, ReferenceError> {
        let bad = || ReferenceError(text.to_owned());
        let (_, last) = text.rsplit_once('/').unwrap_or(("", text));
        let tagged = if last.contains(':') {
            text.to_owned()
        } else {
            format!("{text}:latest")
        };
        let whole = if has_registry(text) {
            tagged
        } else {
            format!("{registry}/{tagged}")
        };
        let reference: Self = whole.parse().map_err(|_| bad())?;
        match reference.which {
            Which::Tag(_) => Ok(reference),
            Which::Digest(_) => Err(bad()),
        }
    }

    /// The registry's host, with its port where it has one.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The digest, where it names the image by that.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        match self.which {
            Which::Digest(digest) => Some(digest),
            Which::Tag(_) => None,
        }
    }

    /// The same repository's image of that digest.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self {
            which: Which::Digest(digest),
            ..self.clone()
        }
    }

    /// Whether the registry is none that could be asked: names below `.localhost` are what images
    /// get that were imported without one.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.registry.ends_with(".localhost")
    }

    /// The same for the client.
    pub(crate) fn for_client(&self) -> oci_client::Reference {
        let (registry, repository) = (self.registry.clone(), self.repository.clone());
        match &self.which {
            Which::Tag(tag) => oci_client::Reference::with_tag(registry, repository, tag.clone()),
            Which::Digest(digest) => {
                oci_client::Reference::with_digest(registry, repository, format!("sha256:{digest}"))
            }
        }
    }
}

/// Whether the first part of a name is a host, by the rule that all container tools share.
fn has_registry(text: &str) -> bool {
    text.split_once('/')
        .is_some_and(|(host, _)| host.contains(['.', ':']) || host == "localhost")
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let bad = || ReferenceError(text.to_owned());
        let (registry, path) = text.split_once('/').ok_or_else(bad)?;
        // The client would take more: Docker's own registry and `latest` where nothing is said.
        let says_which = path.contains([':', '@']);
        if !has_registry(text) || !says_which {
            return Err(bad());
        }
        let read = oci_client::Reference::try_from(text).map_err(|_| bad())?;
        let which = match (read.digest(), read.tag()) {
            (Some(digest), _) => {
                let digest = digest.strip_prefix("sha256:").ok_or_else(bad)?;
                Which::Digest(digest.parse().map_err(|_| bad())?)
            }
            (None, Some(tag)) => Which::Tag(tag.to_owned()),
            (None, None) => return Err(bad()),
        };
        Ok(Self {
            registry: registry.to_owned(),
            repository: read.repository().to_owned(),
            which,
        })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            registry,
            repository,
            which,
        } = self;
        match which {
            Which::Tag(tag) => write!(f, "{registry}/{repository}:{tag}"),
            Which::Digest(digest) => write!(f, "{registry}/{repository}@sha256:{digest}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: &str = "000000000000.dkr.ecr.us-east-1.localhost";

    #[test]
    fn names_come_back() {
        let digest = Digest::of(b"image").to_string();
        for text in [
            "123456789012.dkr.ecr.us-east-1.amazonaws.com/team/echo:v1",
            "127.0.0.1:5000/echo:latest",
            "localhost/echo:latest",
            &format!("ghcr.io/echo@sha256:{digest}"),
        ] {
            let reference: Reference = text.parse().unwrap();
            assert_eq!(reference.to_string(), text);
        }
    }

    #[test]
    fn what_does_not_say_where_or_which_is_no_name() {
        for text in [
            "",
            "echo:latest",
            "team/echo:latest",
            "ghcr.io/echo",
            "ghcr.io/Echo:latest",
            "ghcr.io/echo@sha256:abc",
            "ghcr.io/echo@md5:d41d8cd98f00b204e9800998ecf8427e",
            "https://ghcr.io/echo:latest",
            "ghcr.io/../echo:latest",
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
    }

    #[test]
    fn imports_may_leave_out_what_goes_without_saying() {
        let named = |text: &str| Reference::named(text, LOCAL).unwrap().to_string();
        assert_eq!(named("echo"), format!("{LOCAL}/echo:latest"));
        assert_eq!(named("team/echo:v1"), format!("{LOCAL}/team/echo:v1"));
        assert_eq!(named("ghcr.io/echo:v1"), "ghcr.io/echo:v1");
        assert_eq!(named("127.0.0.1:5000/echo"), "127.0.0.1:5000/echo:latest");
        let by_digest = format!("echo@sha256:{}", Digest::of(b"image"));
        assert!(Reference::named(&by_digest, LOCAL).is_err());
    }

    #[test]
    fn only_names_below_localhost_are_local() {
        let local = |text: &str| text.parse::<Reference>().unwrap().is_local();
        assert!(local(&format!("{LOCAL}/echo:v1")));
        assert!(!local("localhost:5000/echo:v1"));
        assert!(!local("ghcr.io/echo:v1"));
    }
}
