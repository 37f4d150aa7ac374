//! A target made ready for calls.

use std::sync::Arc;

use aws_config::default_provider::region::DefaultRegionChain;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region};
use aws_sdk_lambda::config::{Credentials as SdkCredentials, SharedHttpClient};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{Environment, FunctionCode, Runtime};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use control::{MEASURES_PATH, Measure};
use ids::SharedClock;

use crate::configuration::{FunctionConfiguration, NewFunction};
use crate::connection::{CONNECT_TIMEOUT, Connection};
use crate::control_client;
use crate::engine::EngineError;
use crate::error::CallError;
use crate::function::FunctionHandle;
use crate::logs::{LogEvents, LogSearch};
use crate::starter::{EngineStarter, Ensured};
use crate::target::{Credentials, Identity, Target};

/// What the engine is told where nobody named credentials. It wants some, not particular ones.
const ENGINE_CREDENTIALS: &str = "lambdalab";

/// What a session is opened with.
#[derive(Debug, Clone)]
pub struct SessionOptions {
    /// Where calls go.
    pub target: Target,
    /// The region, where the caller named one. Otherwise: on AWS that of the profile or the
    /// environment, elsewhere `us-east-1`.
    pub region: Option<String>,
    /// How to find or start the engine; only used where it is the target.
    pub engine: EngineStarter,
    /// Time.
    pub clock: SharedClock,
}

/// Why a target could not be made ready.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The engine could not be found or started.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// AWS has no default region.
    #[error("AWS needs a region, and neither the profile nor the environment names one")]
    NoRegion,
}

/// A target made ready: whoever holds it can call, and an engine behind it stays.
#[derive(Debug, Clone)]
pub struct Session {
    connection: Arc<Connection>,
}

impl Session {
    /// Makes a target ready; starts the engine where it is the target and does not run.
    ///
    /// # Errors
    /// The engine does not start, or AWS is the target and no region is known.
    pub async fn open(options: SessionOptions) -> Result<Self, SessionError> {
        let SessionOptions {
            target,
            region,
            engine,
            clock,
        } = options;
        let connection = match target {
            Target::Engine => {
                let ensured = engine.ensure().await?;
                let lease = ensured.engine.lease().await?;
                let running = &ensured.engine;
                let description = format!(
                    "engine at {} ({})",
                    running.endpoint,
                    running.data_dir.display()
                );
                let loader = loader(&http_client(&running.endpoint))
                    .region(region_or_default(region))
                    .credentials_provider(made_up_credentials());
                let endpoint = Some(running.endpoint.clone());
                Connection {
                    engine: Some(ensured),
                    _lease: Some(lease),
                    ..Connection::new(description, loader, clock, endpoint).await
                }
            }
            Target::Endpoint { url, identity } => {
                let description = format!("endpoint {url} ({identity})");
                let http = http_client(&url);
                let loader = loader(&http).region(region_or_default(region.clone()));
                let loader = match &identity {
                    Identity::Ambient => loader.credentials_provider(
                        CredentialsProviderChain::first_try(
                            "Environment",
                            EnvironmentVariableCredentialsProvider::new(),
                        )
                        .or_else("LambdaLab", made_up_credentials()),
                    ),
                    said => with_identity(loader, said, &http, Some(region_or_default(region))),
                };
                Connection::new(description, loader, clock, Some(url)).await
            }
            Target::Aws { identity } => {
                let http = http_client("https://");
                let region = match region {
                    Some(region) => Region::new(region),
                    None => known_region(&identity)
                        .await
                        .ok_or(SessionError::NoRegion)?,
                };
                let description = format!("AWS in {region} ({identity})");
                let loader = loader(&http).region(region.clone());
                let loader = with_identity(loader, &identity, &http, Some(region));
                Connection::new(description, loader, clock, None).await
            }
        };
        Ok(Self {
            connection: Arc::new(connection),
        })
    }

    /// Where calls go, for people: `engine at http://127.0.0.1:4566 (.lambdalab)`.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.connection.description
    }

    /// Where calls go, where that is not AWS.
    pub(crate) fn endpoint(&self) -> Option<&str> {
        self.connection.endpoint.as_deref()
    }

    /// The engine, where it is the target.
    #[must_use]
    pub fn engine(&self) -> Option<&Ensured> {
        self.connection.engine.as_ref()
    }

    /// How far the engine keeps functions apart from its host and within their limits; nothing where
    /// the target is no engine of ours.
    pub async fn measures(&self) -> Vec<Measure> {
        let Some(endpoint) = self.endpoint() else {
            return Vec::new();
        };
        let asked = control_client::get(endpoint, MEASURES_PATH).await;
        asked.unwrap_or_default()
    }

    /// A function of this target, by name or ARN; nothing is called yet.
    #[must_use]
    pub fn function(&self, name: impl Into<String>) -> FunctionHandle {
        FunctionHandle::new(Arc::clone(&self.connection), name.into())
    }

    /// The events of a log group; nothing is called yet.
    #[must_use]
    pub fn log_events(&self, search: LogSearch) -> LogEvents {
        LogEvents::new(Arc::clone(&self.connection), search)
    }

    /// Creates a function. It may be `Pending` for a while: see [`FunctionHandle::wait_active`].
    ///
    /// # Errors
    /// The target refuses or cannot be reached.
    pub async fn create_function(
        &self,
        new: NewFunction,
    ) -> Result<FunctionConfiguration, CallError> {
        let NewFunction {
            name,
            zip,
            runtime,
            handler,
            role,
            publish,
            rest,
        } = new;
        let code = FunctionCode::builder().zip_file(Blob::new(zip)).build();
        let call = self
            .connection
            .control
            .create_function()
            .function_name(name)
            .code(code)
            .runtime(Runtime::from(runtime.as_str()))
            .handler(handler)
            .role(role)
            .publish(publish)
            .set_description(rest.description)
            .set_memory_size(rest.memory_size)
            .set_timeout(rest.timeout)
            .set_environment(rest.environment.map(|variables| {
                Environment::builder()
                    .set_variables(Some(variables.into_iter().collect()))
                    .build()
            }));
        self.connection
            .answered("CreateFunction", call.send().await)
    }

    /// All functions of the target, by name.
    ///
    /// # Errors
    /// The target refuses or cannot be reached.
    pub async fn list_functions(&self) -> Result<Vec<FunctionConfiguration>, CallError> {
        let mut pages = self
            .connection
            .control
            .list_functions()
            .into_paginator()
            .items()
            .send();
        let mut found = Vec::new();
        while let Some(item) = pages.next().await {
            found.push(self.connection.answered("ListFunctions", item)?);
        }
        found.sort_by(|a: &FunctionConfiguration, b| a.function_name.cmp(&b.function_name));
        Ok(found)
    }
}

/// Without TLS where there is none to speak: reading the system's certificates takes longer than
/// a whole command against the engine.
fn http_client(url: &str) -> SharedHttpClient {
    let builder = aws_smithy_http_client::Builder::new();
    if url.starts_with("https") {
        builder
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build_https()
    } else {
        builder.build_http()
    }
}

fn loader(http: &SharedHttpClient) -> ConfigLoader {
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(http.clone())
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .build(),
        )
}

/// A profile that was asked for is used alone: in the SDK's chain of providers, access keys in
/// the environment would silently win over it.
fn with_identity(
    loader: ConfigLoader,
    identity: &Identity,
    http: &SharedHttpClient,
    region: Option<Region>,
) -> ConfigLoader {
    match identity {
        Identity::Keys(keys) => loader.credentials_provider(sdk_credentials(keys)),
        Identity::Profile(profile) => {
            let config = ProviderConfig::without_region()
                .with_region(region)
                .with_http_client(http.clone());
            let provider = ProfileFileCredentialsProvider::builder()
                .configure(&config)
                .profile_name(profile)
                .build();
            loader.profile_name(profile).credentials_provider(provider)
        }
        Identity::Ambient => loader,
    }
}

/// The region of the environment, or else of the profile.
async fn known_region(identity: &Identity) -> Option<Region> {
    let chain = DefaultRegionChain::builder();
    let chain = match identity {
        Identity::Profile(profile) => chain.profile_name(profile),
        Identity::Keys(_) | Identity::Ambient => chain,
    };
    chain.build().region().await
}

fn sdk_credentials(keys: &Credentials) -> SdkCredentials {
    SdkCredentials::new(
        &keys.access_key_id,
        &keys.secret_access_key,
        keys.session_token.clone(),
        None,
        "arguments",
    )
}

fn made_up_credentials() -> SdkCredentials {
    SdkCredentials::new(
        ENGINE_CREDENTIALS,
        ENGINE_CREDENTIALS,
        None,
        None,
        "lambdalab",
    )
}

fn region_or_default(region: Option<String>) -> Region {
    region.map_or(Region::from_static(ids::DEFAULT_REGION), Region::new)
}

#[cfg(test)]
mod tests;
