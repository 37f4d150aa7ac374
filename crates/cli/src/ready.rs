//! What is printed once an engine answers.

use serde::Serialize;

use crate::context::Context;
use crate::output::Render;

/// Access key and secret that the engine accepts on loopback: it wants some, not these.
const CREDENTIALS: &str = "lambdalab";

/// An engine that answers, and how AWS SDKs are pointed at it.
#[derive(Debug, Serialize)]
pub(crate) struct Ready {
    pub endpoint: String,
    pub region: String,
    pub data_dir: String,
    /// The file of access keys by which the engine verifies signatures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<String>,
}

impl Render for Ready {
    fn text(&self) -> String {
        let Self {
            endpoint,
            region,
            data_dir,
            auth,
        } = self;
        let credentials = match auth {
            Some(file) => format!("# sign with an access key of {file}"),
            None => format!(
                "export AWS_ACCESS_KEY_ID={CREDENTIALS}\n\
                 export AWS_SECRET_ACCESS_KEY={CREDENTIALS}"
            ),
        };
        format!(
            "engine at {endpoint} ({data_dir})\n\
             export AWS_ENDPOINT_URL={endpoint}\n\
             {credentials}\n\
             export AWS_DEFAULT_REGION={region}"
        )
    }
}

impl Ready {
    pub(crate) fn new(context: &Context, endpoint: &str) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            region: context.settings.region.value.0.clone(),
            data_dir: context.settings.data_dir.value.display().to_string(),
            auth: context
                .settings
                .auth
                .value
                .as_ref()
                .map(|file| file.display().to_string()),
        }
    }
}
