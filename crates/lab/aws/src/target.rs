//! Where calls go, and the rule that decides it.
//!
//! Nothing reaches AWS unless somebody asked. The strongest word wins:
//!
//! 1. what was said on the spot: `--target`, `--endpoint-url`, `--profile`, credentials passed as
//!    arguments; two of them that contradict each other are an error;
//! 2. `AWS_ENDPOINT_URL`: that endpoint;
//! 3. `LAMBDALAB_TARGET`, or `target` in the configuration file;
//! 4. otherwise the engine.
//!
//! Credentials that merely lie in the environment (`AWS_ACCESS_KEY_ID`, `~/.aws`) ask for nothing:
//! machines of developers have them without meaning it.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Where calls go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The engine that belongs to a data folder; started when none runs.
    Engine,
    /// AWS itself.
    Aws {
        /// Who calls.
        identity: Identity,
    },
    /// Whatever answers the AWS API at this address.
    Endpoint {
        /// `http://host:port` or `https://host`.
        url: String,
        /// Who calls.
        identity: Identity,
    },
}

impl Target {
    /// Whether it can be an engine of this machine: the engine of a data folder, or plain HTTP on
    /// loopback.
    #[must_use]
    pub fn is_on_this_machine(&self) -> bool {
        match self {
            Self::Engine => true,
            Self::Aws { .. } => false,
            Self::Endpoint { url, .. } => url.parse().is_ok_and(|url| is_loopback(&url)),
        }
    }
}

fn is_loopback(url: &http::Uri) -> bool {
    let host = url.host().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    url.scheme_str() == Some("http")
        && (host == "localhost" || address.is_ok_and(|address| address.is_loopback()))
}

/// Whose credentials sign the calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// Passed as arguments.
    Keys(Credentials),
    /// A profile of the shared AWS configuration.
    Profile(String),
    /// What the environment holds: on AWS the SDK's whole chain of providers, on another endpoint
    /// the environment variables, then made-up ones.
    Ambient,
}

/// Credentials that were passed as arguments.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The public half.
    pub access_key_id: String,
    /// The secret half; never printed.
    pub secret_access_key: String,
    /// For temporary credentials; never printed.
    pub session_token: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}

/// The word that `--target` and `LAMBDALAB_TARGET` take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetName {
    /// `engine`
    Engine,
    /// `aws`
    Aws,
    /// `http://…` or `https://…`
    Url(String),
}

/// Everything that was said about the target, on the spot and in the surroundings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TargetRequest {
    /// `--target`.
    pub target: Option<TargetName>,
    /// `--endpoint-url`.
    pub endpoint_url: Option<String>,
    /// `--profile`.
    pub profile: Option<String>,
    /// Credentials passed as arguments.
    pub credentials: Option<Credentials>,
    /// `AWS_ENDPOINT_URL`.
    pub environment_endpoint_url: Option<String>,
    /// `LAMBDALAB_TARGET` or the configuration file.
    pub configured_target: Option<TargetName>,
}

/// A target that cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Neither of the words nor an address.
    #[error(
        "`{0}` is no target: expected `engine`, `aws` or a URL that begins with http:// or https://"
    )]
    UnknownName(String),
    /// Not an address that can be called.
    #[error("`{0}` is no endpoint: expected http://HOST[:PORT] or https://HOST[:PORT]")]
    BadUrl(String),
    /// Two arguments that exclude each other.
    #[error("{first} and {second} contradict each other")]
    Conflict {
        /// As the caller wrote it.
        first: &'static str,
        /// As the caller wrote it.
        second: &'static str,
    },
}

impl TargetRequest {
    /// Applies the rule of this module.
    ///
    /// # Errors
    /// Arguments contradict each other, or an address is none.
    pub fn resolve(&self) -> Result<Target, TargetError> {
        let said = (self.said_identity()?, &self.target, &self.endpoint_url);
        match said {
            (_, Some(TargetName::Engine), Some(_)) => {
                Err(conflict("--target engine", "--endpoint-url"))
            }
            (_, Some(TargetName::Aws), Some(_)) => Err(conflict("--target aws", "--endpoint-url")),
            (_, Some(TargetName::Url(_)), Some(_)) => {
                Err(conflict("a URL as --target", "--endpoint-url"))
            }
            (Some(Identity::Profile(_)), Some(TargetName::Engine), _) => {
                Err(conflict("--target engine", "--profile"))
            }
            (Some(_), Some(TargetName::Engine), _) => {
                Err(conflict("--target engine", "credentials for AWS"))
            }
            (None, Some(TargetName::Engine), None) => Ok(Target::Engine),
            (identity, Some(TargetName::Url(url)), None) | (identity, None, Some(url)) => {
                endpoint(url, identity)
            }
            (identity, Some(TargetName::Aws), None) => Ok(Target::Aws {
                identity: identity.unwrap_or(Identity::Ambient),
            }),
            (Some(identity), None, None) => Ok(Target::Aws { identity }),
            (None, None, None) => self.surroundings(),
        }
    }

    fn said_identity(&self) -> Result<Option<Identity>, TargetError> {
        match (&self.credentials, &self.profile) {
            (Some(_), Some(_)) => Err(conflict("--profile", "credentials passed as arguments")),
            (Some(credentials), None) => Ok(Some(Identity::Keys(credentials.clone()))),
            (None, Some(profile)) => Ok(Some(Identity::Profile(profile.clone()))),
            (None, None) => Ok(None),
        }
    }

    fn surroundings(&self) -> Result<Target, TargetError> {
        if let Some(url) = &self.environment_endpoint_url {
            return endpoint(url, None);
        }
        match &self.configured_target {
            Some(TargetName::Aws) => Ok(Target::Aws {
                identity: Identity::Ambient,
            }),
            Some(TargetName::Url(url)) => endpoint(url, None),
            Some(TargetName::Engine) | None => Ok(Target::Engine),
        }
    }
}

fn conflict(first: &'static str, second: &'static str) -> TargetError {
    TargetError::Conflict { first, second }
}

fn endpoint(url: &str, identity: Option<Identity>) -> Result<Target, TargetError> {
    let bad = || TargetError::BadUrl(url.to_owned());
    let parsed: http::Uri = url.parse().map_err(|_| bad())?;
    let callable = matches!(parsed.scheme_str(), Some("http" | "https"))
        && parsed.host().is_some_and(|host| !host.is_empty());
    if !callable {
        return Err(bad());
    }
    Ok(Target::Endpoint {
        url: url.trim_end_matches('/').to_owned(),
        identity: identity.unwrap_or(Identity::Ambient),
    })
}

impl FromStr for TargetName {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        match text {
            "engine" => Ok(Self::Engine),
            "aws" => Ok(Self::Aws),
            url if url.starts_with("http://") || url.starts_with("https://") => {
                Ok(Self::Url(url.to_owned()))
            }
            _ => Err(TargetError::UnknownName(text.to_owned())),
        }
    }
}

impl fmt::Display for TargetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Engine => "engine",
            Self::Aws => "aws",
            Self::Url(url) => url,
        })
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keys(keys) => write!(f, "access key {}", keys.access_key_id),
            Self::Profile(profile) => write!(f, "profile {profile}"),
            Self::Ambient => f.write_str("credentials of the environment"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Credentials {
        Credentials {
            access_key_id: "AKIDEXAMPLE".into(),
            secret_access_key: "very secret".into(),
            session_token: None,
        }
    }

    fn aws(identity: Identity) -> Result<Target, TargetError> {
        Ok(Target::Aws { identity })
    }

    fn at(url: &str, identity: Identity) -> Result<Target, TargetError> {
        Ok(Target::Endpoint {
            url: url.to_owned(),
            identity,
        })
    }

    /// `target`, `endpoint_url`, `profile`, with keys?, `AWS_ENDPOINT_URL`, `LAMBDALAB_TARGET`.
    type Said<'a> = (&'a str, &'a str, &'a str, bool, &'a str, &'a str);

    fn resolve(said: Said<'_>) -> Result<Target, TargetError> {
        let (target, url, profile, with_keys, environment_url, configured) = said;
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let name = |text: &str| (!text.is_empty()).then(|| text.parse().unwrap());
        TargetRequest {
            target: name(target),
            endpoint_url: text(url),
            profile: text(profile),
            credentials: with_keys.then(keys),
            environment_endpoint_url: text(environment_url),
            configured_target: name(configured),
        }
        .resolve()
    }

    #[test]
    fn the_strongest_word_wins() {
        use Identity::{Ambient, Keys, Profile};
        let profile = || Profile("p".into());
        let (a, b) = ("http://a:1", "https://b");
        let cases: &[(Said<'_>, Result<Target, TargetError>)] = &[
            (("", "", "", false, "", ""), Ok(Target::Engine)),
            (("engine", "", "", false, b, "aws"), Ok(Target::Engine)),
            (("aws", "", "", false, "", ""), aws(Ambient)),
            (("aws", "", "", false, b, "engine"), aws(Ambient)),
            (("aws", "", "p", false, "", ""), aws(profile())),
            (("", "", "p", false, "", ""), aws(profile())),
            (("", "", "p", false, b, "engine"), aws(profile())),
            (("", "", "", true, b, "engine"), aws(Keys(keys()))),
            (("", a, "", false, "", ""), at(a, Ambient)),
            (("", a, "", false, b, "aws"), at(a, Ambient)),
            (("", a, "p", false, "", ""), at(a, profile())),
            (("", a, "", true, "", ""), at(a, Keys(keys()))),
            ((a, "", "", false, b, "aws"), at(a, Ambient)),
            (("", "", "", false, b, "aws"), at(b, Ambient)),
            (("", "", "", false, "", "aws"), aws(Ambient)),
            (("", "", "", false, "", "engine"), Ok(Target::Engine)),
            (("", "", "", false, "", a), at(a, Ambient)),
        ];
        for (said, expected) in cases {
            assert_eq!(&resolve(*said), expected, "{said:?}");
        }
    }

    #[test]
    fn contradictions_are_told() {
        let cases: &[Said<'_>] = &[
            ("engine", "http://a", "", false, "", ""),
            ("aws", "http://a", "", false, "", ""),
            ("http://a", "http://a", "", false, "", ""),
            ("engine", "", "p", false, "", ""),
            ("engine", "", "", true, "", ""),
            ("", "", "p", true, "", ""),
        ];
        for said in cases {
            let error = resolve(*said).unwrap_err();
            assert!(
                matches!(error, TargetError::Conflict { .. }),
                "{said:?}: {error}"
            );
        }
    }

    #[test]
    fn engines_of_this_machine_are_on_loopback() {
        let on_this_machine = |url| at(url, Identity::Ambient).unwrap().is_on_this_machine();
        for url in [
            "http://127.0.0.1:4566",
            "http://localhost:1",
            "http://[::1]:1",
        ] {
            assert!(on_this_machine(url), "{url}");
        }
        for url in [
            "https://127.0.0.1",
            "http://10.0.0.1:1",
            "http://localhost.evil.example",
        ] {
            assert!(!on_this_machine(url), "{url}");
        }
        assert!(Target::Engine.is_on_this_machine());
        assert!(!aws(Identity::Ambient).unwrap().is_on_this_machine());
    }

    #[test]
    fn addresses_are_checked() {
        for url in [
            "localhost:4566",
            "ftp://a",
            "http://",
            "http:///x",
            "",
            "a b",
        ] {
            let request = TargetRequest {
                endpoint_url: Some(url.to_owned()),
                ..TargetRequest::default()
            };
            assert_eq!(request.resolve(), Err(TargetError::BadUrl(url.to_owned())));
        }
        assert_eq!(
            resolve(("", "http://a:1/", "", false, "", "")),
            at("http://a:1", Identity::Ambient)
        );
        assert!(
            "azure"
                .parse::<TargetName>()
                .unwrap_err()
                .to_string()
                .contains("azure")
        );
    }

    #[test]
    fn secrets_are_not_printed() {
        let text = format!("{:?}", Identity::Keys(keys()));
        assert!(
            text.contains("AKIDEXAMPLE") && !text.contains("very secret"),
            "{text}"
        );
    }
}
