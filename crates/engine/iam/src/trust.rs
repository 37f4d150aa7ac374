//! Whom roles trust.

use policy::{Context, Kind, Policy, Principal, Request, evaluate};

use crate::error::ApiError;
use crate::managed::name_of;
use crate::record::{Entity, RoleRecord};
use crate::service::Inner;

impl Inner {
    /// The role of that ARN.
    pub(crate) async fn role_of(&self, arn: &str) -> Result<Option<RoleRecord>, ApiError> {
        let account = arn.split(':').nth(4).unwrap_or_default().to_owned();
        let wanted = arn.to_owned();
        self.read(move |tables| {
            let role = tables.entity::<RoleRecord>(&account, name_of(&wanted))?;
            Ok(role.filter(|role| role.arn(&account) == wanted))
        })
        .await
    }

    /// The trust policy of the role of that ARN; `None` where there is no such role.
    pub(crate) async fn trust(&self, role_arn: &str) -> Result<Option<Policy>, ApiError> {
        let role = self.role_of(role_arn).await?;
        Ok(role.and_then(|role| Policy::parse(&role.trust, Kind::Trust).ok()))
    }

    /// Whether there is a role of that ARN that lets `service` assume it.
    pub(crate) async fn trusts(&self, role_arn: &str, service: &str) -> Result<bool, ApiError> {
        let trust = self.trust(role_arn).await?;
        let request = Request {
            principal: &Principal::Service(service.to_owned()),
            action: "sts:AssumeRole",
            resource: role_arn,
            context: &Context::new(),
        };
        Ok(trust.is_some_and(|trust| evaluate(&request, &[&trust]).allowed()))
    }
}
